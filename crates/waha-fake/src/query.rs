//! The query of a list: what WAHA accepts, and how it pages.

use std::cmp::Reverse;

use crate::http::Request;

/// `limit`, `offset`, `sortBy`, `sortOrder` and `exclude` of a list.
#[derive(Clone, Debug)]
pub(crate) struct ListQuery {
    limit: Option<i64>,
    offset: Option<i64>,
    pub(crate) sort_by: Option<String>,
    descending: bool,
    pub(crate) without_participants: bool,
}

/// Who does the paging, which tells what odd limits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pager {
    /// WAHA slices the full list: `offset` without `limit` is ignored, `limit=0` is everything.
    Memory,
    /// The store's SQL: `offset` always counts, `limit=0` is nothing, a negative limit everything.
    Store,
}

impl ListQuery {
    /// Reads a query; `sortable` names the columns.
    ///
    /// # Errors
    /// WAHA's complaints (2025.12.3, recorded). `sortOrder` is not looked at: `sideways` is ascending.
    pub(crate) fn parse(request: &Request, sortable: [&str; 2]) -> Result<Self, Vec<String>> {
        let mut complaints = Vec::new();
        let limit = number(request, "limit", &mut complaints);
        let offset = number(request, "offset", &mut complaints);
        let sort_by = request.query("sortBy");
        if sort_by.as_ref().is_some_and(|sort_by| !sortable.contains(&sort_by.as_str())) {
            complaints.push(format!("sortBy must be one of the following values: {}", sortable.join(", ")));
        }
        let excluded: Vec<_> = request
            .pairs()
            .filter(|(name, _)| name == "exclude" || name == "exclude[]")
            .map(|(_, value)| value)
            .collect();
        if excluded.iter().any(|value| !matches!(value.as_str(), "" | "participants")) {
            complaints.push("each value in exclude must be one of the following values: , participants".to_owned());
        }
        if !complaints.is_empty() {
            return Err(complaints);
        }
        Ok(Self {
            limit,
            offset,
            sort_by,
            descending: request.query("sortOrder").as_deref() == Some("desc"),
            without_participants: excluded.iter().any(|value| value == "participants"),
        })
    }

    /// Sorts by bytes, what has no key first; equal keys keep their order.
    pub(crate) fn sort<T, K: Ord>(&self, items: &mut [T], key: impl Fn(&T) -> K) {
        if self.descending {
            items.sort_by_cached_key(|item| Reverse(key(item)));
        } else {
            items.sort_by_cached_key(key);
        }
    }

    /// Cuts the page out of the list.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, pager: Pager) -> Vec<T> {
        let offset = self.offset.unwrap_or(0);
        let (start, end) = match (pager, self.limit) {
            (Pager::Memory, None | Some(0)) => return items,
            (Pager::Memory, Some(limit)) => {
                (from_end(offset, items.len()), from_end(offset.saturating_add(limit), items.len()))
            }
            (Pager::Store, limit) => {
                let start = usize::try_from(offset).unwrap_or(0).min(items.len());
                let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
                (start, start.saturating_add(limit).min(items.len()))
            }
        };
        items.truncate(end);
        items.split_off(start.min(end))
    }

    /// The same query with `limit=100` and `offset=0` unless said otherwise.
    pub(crate) fn or_first_hundred(self) -> Self {
        Self { limit: self.limit.or(Some(100)), ..self }
    }
}

/// An index as JavaScript's `slice` reads it: a negative one counts from the end.
fn from_end(index: i64, length: usize) -> usize {
    match usize::try_from(index) {
        Ok(index) => index.min(length),
        Err(_) => length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a limit beyond i64 is cut to it, and lists are shorter")]
fn number(request: &Request, name: &str, complaints: &mut Vec<String>) -> Option<i64> {
    let text = request.query(name)?;
    let number = if text.trim().is_empty() { Some(0.0) } else { text.trim().parse::<f64>().ok() };
    match number {
        Some(number) if number.is_finite() => Some(number as i64),
        _ => {
            complaints.push(format!("{name} must be a number conforming to the specified constraints"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> Result<ListQuery, Vec<String>> {
        let head = format!("GET /x?{query} HTTP/1.1\r\n\r\n");
        ListQuery::parse(&Request::from_head(head.as_bytes()).unwrap(), ["id", "subject"])
    }

    fn page(text: &str, pager: Pager) -> Vec<i32> {
        query(text).unwrap().page(vec![0, 1, 2, 3, 4], pager)
    }

    #[test]
    fn memory_ignores_an_offset_without_a_limit_and_a_limit_of_zero() {
        assert_eq!(page("offset=4", Pager::Memory).len(), 5);
        assert_eq!(page("limit=0&offset=4", Pager::Memory).len(), 5);
        assert_eq!(page("limit=2&offset=1", Pager::Memory), [1, 2]);
        assert_eq!(page("limit=2&offset=9", Pager::Memory), [0; 0]);
    }

    #[test]
    fn the_store_honours_an_offset_alone_and_gives_nothing_for_limit_zero() {
        assert_eq!(page("offset=4", Pager::Store), [4]);
        assert_eq!(page("limit=0", Pager::Store), [0; 0]);
        assert_eq!(page("limit=-1", Pager::Store).len(), 5);
        assert_eq!(page("limit=10&offset=100", Pager::Store), [0; 0]);
    }

    #[test]
    fn what_is_not_a_number_or_a_column_is_refused_and_the_order_is_not_looked_at() {
        assert_eq!(query("limit=abc").unwrap_err(), ["limit must be a number conforming to the specified constraints"]);
        assert_eq!(query("sortBy=nope").unwrap_err(), ["sortBy must be one of the following values: id, subject"]);
        assert_eq!(
            query("exclude=nope").unwrap_err(),
            ["each value in exclude must be one of the following values: , participants"]
        );
        assert!(query("sortBy=id&sortOrder=sideways&limit=1e9").is_ok());
    }
}
