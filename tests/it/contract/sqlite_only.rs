//! What only a file can do wrong: being somebody else's, being locked, being no database.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use switchboard_domain::ListKind;
use switchboard_domain::ports::{Database, SessionRepository, SnapshotStore, StorageError};
use switchboard_sqlite_adapter::{LockError, SqliteOptions, SqliteStore};
use tempfile::TempDir;

use super::fixtures::{all_at_once_of, session};

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("switchboard.sqlite");
    (folder, file)
}

fn store(file: &Path) -> SqliteStore {
    SqliteStore::at(file, SqliteOptions::default()).unwrap()
}

#[tokio::test]
async fn stores_that_migrate_at_once_do_not_meet() {
    let (_folder, file) = file();
    let all = all_at_once_of(8, |_| {
        let store = store(&file);
        async move { store.migrate().await }
    });
    for result in all.await {
        result.unwrap();
    }
    store(&file).check().await.unwrap();
}

#[tokio::test]
async fn a_file_without_tables_is_not_in_order() {
    let (_folder, file) = file();
    let error = store(&file).check().await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable() {
    let (_folder, file) = file();
    std::fs::write(&file, "hello, I am a text file, and not a short one, as files go").unwrap();
    let error = store(&file).check().await.unwrap_err();
    assert_eq!(error.to_string(), "the database is not available");
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_only() {
    let (folder, file) = file();
    let store = store(&file);
    store.migrate().await.unwrap();
    store.ensure(&session(1)).await.unwrap();
    for name in ["switchboard.sqlite", "switchboard.sqlite-wal", "switchboard.sqlite-shm"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_there_keeps_its_mode() {
    let (_folder, file) = file();
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    store(&file).migrate().await.unwrap();
    assert_eq!(mode(&file), 0o640);
}

#[test]
fn a_file_is_served_by_one_at_a_time() {
    let (_folder, file) = file();
    let held = store(&file).lock().unwrap();
    let refused = store(&file).lock().unwrap_err();
    assert!(matches!(refused, LockError::InUse(_)), "{refused}");
    assert!(refused.to_string().starts_with("another process is using the database"), "{refused}");
    drop(held);
    let _again = store(&file).lock().unwrap();
}

#[tokio::test]
async fn a_file_that_another_process_writes_for_too_long_is_unavailable_and_readable() {
    let (_folder, file) = file();
    let tight = SqliteOptions { statement_timeout: Duration::from_millis(250), ..SqliteOptions::default() };
    let store = SqliteStore::at(&file, tight).unwrap();
    store.migrate().await.unwrap();
    store.ensure(&session(1)).await.unwrap();
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();

    let error = store.ensure(&session(2)).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert_eq!(store.get(&session(1).id).await.unwrap(), Some(session(1)));

    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(store.ensure(&session(2)).await.unwrap(), session(2));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_a_failure() {
    let (_folder, file) = file();
    let store = store(&file);
    store.migrate().await.unwrap();
    store.ensure(&session(1)).await.unwrap();
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let insert = "INSERT INTO directory_snapshots \
                  SELECT id, 'groups', epoch, 1, 'no version', created_at, 1, x'00' FROM sessions";
    other.batch_execute(insert).unwrap_err();
    other.batch_execute(&format!("PRAGMA ignore_check_constraints = ON; {insert}")).unwrap();

    let error = store.head(&session(1).id, ListKind::Groups).await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
    let error = store.load(&session(1).id, ListKind::Groups).await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
}
