//! Tokens and the audit chain.

use crate::support::postgres::{new_database, on_both};
use sharpeyes::domain::Timestamp;
use sharpeyes::domain::access::{Role, Scope};
use sharpeyes::store::Store;
use sharpeyes::store::audit::{AuditNote, AuditVerdict};
use sharpeyes::store::token::{Token, TokenHash};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::task::JoinSet;

fn token(name: &str, division: Option<&str>) -> Token {
    Token {
        name: name.to_owned(),
        role: Role::Operate,
        scope: Scope::new(division.map(|code| code.parse().unwrap())),
        created: Timestamp::from_seconds(100),
        revoked: None,
    }
}

fn note(action: &str) -> AuditNote {
    AuditNote {
        at: Timestamp::from_seconds(100),
        actor: "duty".to_owned(),
        action: action.to_owned(),
        subject: "7".to_owned(),
        body: "{}".to_owned(),
    }
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_until_it_is_revoked() {
    on_both(async |store: Store| {
        let hash = TokenHash::of("se_one");
        assert_eq!(store.token_count().await.unwrap(), 0);
        assert!(store.add_token(&token("one", Some("230521")), &hash).await.unwrap());
        assert!(!store.add_token(&token("one", None), &TokenHash::of("se_two")).await.unwrap());
        assert_eq!(store.token_by_hash(&hash).await.unwrap(), Some(token("one", Some("230521"))));
        assert_eq!(store.token_by_hash(&TokenHash::of("se_two")).await.unwrap(), None);
        let at = Timestamp::from_seconds(200);
        assert!(store.revoke_token("one", at).await.unwrap());
        assert!(!store.revoke_token("one", at).await.unwrap());
        assert_eq!(store.token_by_hash(&hash).await.unwrap(), None);
        assert_eq!(store.token_count().await.unwrap(), 1, "a revoked one counts");
        assert_eq!(
            store.tokens().await.unwrap(),
            [Token { revoked: Some(at), ..token("one", Some("230521")) }]
        );
    })
    .await;
}

#[tokio::test]
async fn notes_appended_at_once_make_one_chain() {
    on_both(async |store: Store| {
        assert_eq!(
            store.verify_audit().await.unwrap(),
            AuditVerdict::Intact { entry_count: 0, head: String::new() }
        );
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            tasks.spawn(async move { store.append_audit(&note("exclusion.enter")).await.unwrap() });
        }
        let mut numbers = tasks.join_all().await;
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4]);
        let page = store.audit_page(Some(4), 2).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3, 2]);
        let newest = store.audit_page(None, 1).await.unwrap().remove(0);
        let expected = AuditVerdict::Intact { entry_count: 4, head: newest.hash };
        assert_eq!(store.verify_audit().await.unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn an_edited_or_removed_entry_is_found() {
    for (harm, broken_at) in [
        ("UPDATE audit SET body = '{\"approver\":\"nobody\"}' WHERE seq = 2", 2),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 1", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lite_url = format!("sqlite:{}", folder.path().join("store.db").display());
        let pg_url = new_database().await;
        for url in [&lite_url, &pg_url] {
            let store = Store::open(url).await.unwrap();
            store.migrate().await.unwrap();
            for action in ["a", "b", "c", "d"] {
                store.append_audit(&note(action)).await.unwrap();
            }
            harm_database(url, harm).await;
            assert_eq!(
                store.verify_audit().await.unwrap(),
                AuditVerdict::BrokenAt { seq: broken_at },
                "{harm}"
            );
            store.close().await;
        }
    }
}

/// Does what someone with the database's password could do.
async fn harm_database(url: &str, harm: &'static str) {
    if url.starts_with("sqlite:") {
        SqliteConnection::connect(url).await.unwrap().execute(harm).await.unwrap();
    } else {
        PgConnection::connect(url).await.unwrap().execute(harm).await.unwrap();
    }
}
