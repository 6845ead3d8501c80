//! Both migration folders make the same tables.

use crate::support::postgres::new_database;
use sharpeyes::store::Store;
use sqlx::{Connection, PgConnection, SqliteConnection};

const LITE_COLUMNS: &str = "SELECT m.name, c.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx_%' ORDER BY 1, 2";
const PG_COLUMNS: &str = "SELECT c.relname::text, a.attname::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '\\_sqlx\\_%'
    ORDER BY c.relname::text COLLATE \"C\", a.attname::text COLLATE \"C\"";

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
