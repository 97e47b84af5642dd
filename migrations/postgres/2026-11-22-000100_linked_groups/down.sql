DROP TABLE linked_groups;
