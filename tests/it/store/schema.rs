//! Both migration folders make the same tables, and both databases sort texts byte by byte.

use crate::store::fixture::{at, window};
use crate::support::postgres::new_database;
use sharpeyes::store::Store;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::borrow::Cow;

const LITE_COLUMNS: &str = "SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx_%' ORDER BY 1, 2";
const PG_COLUMNS: &str = "SELECT c.relname::text, a.attname::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '\\_sqlx\\_%'
    ORDER BY c.relname::text COLLATE \"C\", a.attname::text COLLATE \"C\"";
/// Indexes that sort a text as the database does, and not byte by byte.
const PG_LINGUISTIC_INDEXES: &str = "SELECT c.relname::text FROM pg_index x
    JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    WHERE EXISTS (SELECT 1 FROM unnest(x.indcollation::oid[]) AS used (collation_id)
        WHERE collation_id <> 0 AND collation_id <> '\"C\"'::regcollation)
    ORDER BY 1";

#[tokio::test]
async fn every_index_of_postgres_sorts_texts_byte_by_byte() {
    let url = new_database().await;
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    store.prepare_months(at(0)).await.unwrap();
    store.close().await;
    let mut pg = PgConnection::connect(&url).await.unwrap();
    let dictionary: bool = sqlx::query_scalar("SELECT '~' < '9'").fetch_one(&mut pg).await.unwrap();
    assert!(dictionary, "this database sorts byte by byte by itself and proves nothing");
    let linguistic: Vec<String> = sqlx::query_scalar(PG_LINGUISTIC_INDEXES).fetch_all(&mut pg).await.unwrap();
    assert_eq!(linguistic, Vec::<String>::new());
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let folder = tempfile::tempdir().unwrap();
    let lite_url = format!("sqlite:{}", folder.path().join("store.db").display());
    let pg_url = new_database().await;
    for url in [&lite_url, &pg_url] {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
    }
    let mut lite = SqliteConnection::connect(&lite_url).await.unwrap();
    let lite_columns: Vec<(String, String)> =
        sqlx::query_as(LITE_COLUMNS).fetch_all(&mut lite).await.unwrap();
    let mut pg = PgConnection::connect(&pg_url).await.unwrap();
    let pg_columns: Vec<(String, String)> = sqlx::query_as(PG_COLUMNS).fetch_all(&mut pg).await.unwrap();
    assert!(lite_columns.iter().any(|(table, column)| table == "interval" && column == "end_ms"));
    assert_eq!(lite_columns, pg_columns);
}

/// Rows of the time before the sixth migration, with everything that refers to something.
const OLD_ROWS: &str = "
    INSERT INTO division (code, name, assessed, has_centre) VALUES ('230521100201', '村', TRUE, FALSE);
    INSERT INTO grid (code, name, village, kind) VALUES ('G~1', '一', '230521100201', 'rural'),
        ('G1', '二', '230521100201', 'rural');
    INSERT INTO grid_leader (grid, from_ms, name) VALUES ('G~1', 1, '张');
    INSERT INTO point (code, name, village, grid, class, status, commissioned_ms, watch)
        VALUES ('23052100001320000001', '口', '230521100201', 'G~1', '1', 'in_use', 0, 'patrol');
    INSERT INTO interval (point, start_ms, end_ms, state, provenance, decided_ms, evidence)
        VALUES ('23052100001320000001', 0, 1000, 'good', 'probe', 0, '[]');
    INSERT INTO point_state (point, since_ms, state, provenance, decided_ms, evidence)
        VALUES ('23052100001320000001', 1000, 'good', 'probe', 1000, '[]');
    INSERT INTO month_report (month, division, revision, hash, targets, reported_ms)
        VALUES ('1970-01', '', 1, 'aa', '2026-1', 5);";

/// The migrations up to a number, as a version of that time had them.
fn first_migrations(all: &Migrator, last: i64) -> Migrator {
    let first = all.iter().filter(|migration| migration.version <= last).cloned().collect();
    Migrator { migrations: Cow::Owned(first), ..Migrator::DEFAULT }
}

#[tokio::test]
async fn rows_from_before_the_order_of_bytes_are_kept_and_sorted_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let lite_url = format!("sqlite:{}?mode=rwc", folder.path().join("store.db").display());
    let pg_url = new_database().await;
    let mut lite = SqliteConnection::connect(&lite_url).await.unwrap();
    first_migrations(&sqlx::migrate!("migrations/sqlite"), 5).run(&mut lite).await.unwrap();
    sqlx::raw_sql(OLD_ROWS).execute(&mut lite).await.unwrap();
    let mut pg = PgConnection::connect(&pg_url).await.unwrap();
    first_migrations(&sqlx::migrate!("migrations/postgres"), 5).run(&mut pg).await.unwrap();
    sqlx::query("SELECT add_interval_partition('interval_1970_01', 0, 2678400000)")
        .execute(&mut pg)
        .await
        .unwrap();
    sqlx::raw_sql(OLD_ROWS).execute(&mut pg).await.unwrap();
    for url in [&lite_url, &pg_url] {
        let store = Store::open(url).await.unwrap();
        store.migrate().await.unwrap();
        let inventory = store.load_inventory().await.unwrap();
        assert_eq!((inventory.grids.len(), inventory.points.len()), (2, 1));
        let point = *inventory.points.keys().next().unwrap();
        assert_eq!(store.timeline(point, window(0, 9), at(9)).await.unwrap().len(), 2);
        // A month that was reported before its documents were kept has none to give out again.
        let month = store.month_revision("1970-01".parse().unwrap(), None).await.unwrap().unwrap();
        assert_eq!((month.revision, month.issued.hash.as_str(), month.issued.json.as_str()), (1, "aa", ""));
        store.close().await;
    }
    let codes: Vec<String> =
        sqlx::query_scalar("SELECT code FROM grid ORDER BY code").fetch_all(&mut pg).await.unwrap();
    assert_eq!(codes, ["G1", "G~1"]);
}
