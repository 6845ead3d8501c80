//! A copy that is made while the service writes is whole.

use crate::store::fixture::{at, because, change, point, window};
use crate::support::postgres::{new_database, on_both, restore};
use sharpeyes::domain::{Cause, Condition};
use sharpeyes::store::Store;
use sharpeyes::store::backup::BackupError;
use std::path::Path;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Points that change together, in one transaction each time: a copy that is torn shows them apart.
const PAIR: [u32; 2] = [1, 2];

/// Changes both points again and again until `cancel`.
fn keep_writing(store: &Store, cancel: &CancellationToken) -> JoinSet<()> {
    let (store, cancel) = (store.clone(), cancel.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for step in 0.. {
            let to = if step % 2 == 0 { Condition::Good } else { because(Cause::Stalled) };
            store.apply_transitions(&PAIR.map(|number| change(number, 1 + step, to.clone()))).await.unwrap();
            if cancel.is_cancelled() {
                return;
            }
        }
    });
    tasks
}

async fn interval_counts(store: &Store) -> Vec<usize> {
    let mut counts = Vec::new();
    for number in PAIR {
        counts.push(store.timeline(point(number), window(0, 1_000_000), at(1_000_000)).await.unwrap().len());
    }
    counts
}

#[tokio::test]
async fn a_copy_made_while_writing_is_consistent() {
    on_both(async |store: Store| {
        let folder = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let mut writing = keep_writing(&store, &cancel);
        while interval_counts(&store).await[0] < 20 {}
        let path = folder.path().join("copy");
        store.backup_to(&path).await.unwrap();
        cancel.cancel();
        writing.join_next().await.unwrap().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the partial file is left");
        let copy = open_copy(&path).await;
        let counts = interval_counts(&copy).await;
        assert!(counts[0] >= 20 && counts[0] == counts[1], "{counts:?}");
        let total = interval_counts(&store).await[0];
        assert!(counts[0] <= total, "{counts:?} of {total}");
    })
    .await;
}

/// Opens a copy: the SQLite file itself, or a new database from the archive.
async fn open_copy(path: &Path) -> Store {
    let is_sqlite = std::fs::read(path).unwrap().starts_with(b"SQLite format 3\0");
    let url = if is_sqlite {
        format!("sqlite:{}", path.display())
    } else {
        restore(path, new_database().await).await
    };
    Store::open(&url).await.unwrap()
}

#[tokio::test]
async fn a_backup_never_overwrites_a_file() {
    on_both(async |store: Store| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        std::fs::write(&path, "precious").unwrap();
        let refused = store.backup_to(&path).await;
        assert!(matches!(refused, Err(BackupError::Exists(_))), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let missing = store.backup_to(&folder.path().join("missing/copy")).await;
        assert!(matches!(missing, Err(BackupError::Store(_) | BackupError::Dump(_))), "{missing:?}");
    })
    .await;
}

#[tokio::test]
async fn the_size_of_the_database_is_known() {
    on_both(async |store: Store| {
        let size = store.size_bytes().await.unwrap();
        assert!((100_000..100_000_000).contains(&size), "{size}");
    })
    .await;
}
