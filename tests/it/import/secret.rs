//! Credentials go in sealed and never come out.

use super::{Bench, NOW, sources};
use secrecy::ExposeSecret;
use sharpeyes::clock::Clock;
use sharpeyes::inventory::credential::{CredentialBook, CredentialError};
use sharpeyes::inventory::reconcile::Reconciler;
use sharpeyes::inventory::{ImportError, Mode, export, import};
use sqlx::{Connection, SqliteConnection};
use std::time::Duration;

const CREDENTIALS: &str = "name,username,password\nvillage,admin,  s3cret=\nother,viewer,'+1\n";

#[tokio::test]
async fn a_sealed_credential_opens_with_the_key_and_with_nothing_else() {
    let bench = Bench::new().await;
    let report = bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    assert_eq!(report.faults, []);
    let book = CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await.unwrap().credentials;
    let password = |name: &str| book[name].password.expose_secret().to_owned();
    assert_eq!((password("village"), password("other")), ("  s3cret=".to_owned(), "'+1".to_owned()));
    assert_eq!(book["village"].username, "admin");
    std::fs::remove_file(bench.key_file()).unwrap();
    let lost = CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await;
    assert!(matches!(lost, Err(CredentialError::KeyMissing { count: 2, .. })), "{lost:?}");
}

#[tokio::test]
async fn nothing_that_is_told_or_stored_holds_a_secret() {
    let bench = Bench::new().await;
    let request = bench.request(sources(&[("credentials.csv", CREDENTIALS)]), Mode::Apply);
    assert!(!format!("{request:?}").contains("s3cret"));
    let added = bench.run(request).await;
    let changed = bench.import(&[("credentials.csv", "name,username,password\nvillage,root,n3w\n")]).await;
    let told: Vec<String> = changed.differences.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "~ credentials village\n    username: `***` -> `***`\n    password: `***` -> `***`");
    let book = CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await.unwrap().credentials;
    let exported = bench.folder.path().join("out");
    export::to_folder(&bench.store, super::zone(), exported.clone()).await.unwrap();
    bench.store.close().await;
    let mut everything = format!("{added:?}{changed:?}{book:?}").into_bytes();
    for entry in std::fs::read_dir(&exported).unwrap().chain(std::fs::read_dir(bench.folder.path()).unwrap())
    {
        let path = entry.unwrap().path();
        if path.is_file() && path != bench.key_file() {
            everything.extend(std::fs::read(path).unwrap());
        }
    }
    for secret in ["s3cret", "n3w"] {
        let found = everything.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "`{secret}` was told or stored");
    }
}

#[tokio::test]
async fn a_faulty_file_tells_no_secret() {
    let bench = Bench::village().await;
    for (file, text) in [
        // Without a header, with a word that could be one.
        ("credentials.csv", "village,user,s3cret\n"),
        ("credentials.csv", "name,username,password\n,admin,s3cret\n"),
        ("credentials.csv", "name,username,password\ns3cret word,admin,\n"),
        ("credentials.csv", "name,username,password\ns3cret,a,b\ns3cret,a,b\n"),
        ("points.csv", "code,sub_stream\n23052100001320000001,rtsp://admin:s3cret@10.1.2.3/\n"),
        ("points.csv", "code,host\n23052100001320000001,admin:s3cret@10.1.2.3\n"),
        ("points.csv", "code,brand\n23052100001320000001,admin:s3cret@10.1.2.3\n"),
        ("points.csv", "code,brand,host\n23052100001320000001,pwd=s3cret,10.1.2.3\n"),
        ("points.csv", "code,grid\n23052100001320000001,admin:s3cret@10.1.2.3\n"),
        ("links.csv", "code,kind,division,parents\nL-1,village,230521100201,admin:s3cret@10.1.2.3\n"),
        ("links.csv", "code,target\nL-1,tcp://admin:s3cret@10.1.2.3:80\n"),
        ("sites.csv", "code,longitude\nS1,/user=admin_password=s3cret_channel=1\n"),
    ] {
        let report = bench.run(bench.request(sources(&[(file, text)]), Mode::Apply)).await;
        assert!(report.is_refused(), "{text}");
        let told = format!("{:?}{:?}", report.faults, report.notes);
        assert!(!told.contains("s3cret"), "{text}: {told}");
    }
}

#[tokio::test]
async fn the_same_credentials_twice_change_nothing_and_one_half_can_be_kept() {
    let bench = Bench::new().await;
    bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    let again = bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    assert_eq!((again.run, again.differences.len()), (None, 0));
    let renamed = bench.import(&[("credentials.csv", "name,username\nvillage,root\n")]).await;
    assert_eq!(renamed.faults, []);
    let book = CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await.unwrap().credentials;
    assert_eq!(book["village"].username, "root");
    assert_eq!(book["village"].password.expose_secret(), "  s3cret=");
}

#[tokio::test]
async fn a_lost_key_is_replaced_only_when_every_credential_comes_again() {
    let bench = Bench::new().await;
    bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    std::fs::remove_file(bench.key_file()).unwrap();
    let part = sources(&[("credentials.csv", "name,username,password\nvillage,a,b\n")]);
    let request = bench.request(part, Mode::Apply);
    let refused = import(&bench.store, &Clock::manual(NOW), request).await;
    assert!(
        matches!(refused, Err(ImportError::Credential(CredentialError::KeyMissing { .. }))),
        "{refused:?}"
    );
    assert!(!bench.key_file().exists());
    assert_eq!(bench.import(&[("credentials.csv", CREDENTIALS)]).await.faults, []);
    let opened = CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await.unwrap();
    assert_eq!((opened.credentials.len(), opened.unusable.len()), (2, 0));
}

#[tokio::test]
async fn a_rehearsal_makes_no_key() {
    let bench = Bench::new().await;
    let request = bench.request(sources(&[("credentials.csv", CREDENTIALS)]), Mode::DryRun);
    assert_eq!(bench.run(request).await.faults, []);
    assert!(!bench.key_file().exists());
}

#[tokio::test]
async fn a_point_may_name_a_credential_that_comes_later_and_the_report_says_so() {
    let bench = Bench::village().await;
    let point = [("points.csv", "code,credential\n23052100001320000001,village\n")];
    let report = bench.import(&point).await;
    assert_eq!(
        report.notes,
        ["credential `village`, named by 1 point(s), is not stored yet; import it with the credentials"]
    );
    bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    assert_eq!(bench.import(&point).await.notes, Vec::<String>::new());
}

#[tokio::test]
async fn one_damaged_credential_takes_no_other_with_it_and_can_be_imported_again() {
    let bench = Bench::village().await;
    bench.import(&[("credentials.csv", CREDENTIALS)]).await;
    bench.import(&[("points.csv", "code,credential\n23052100001320000001,other\n")]).await;
    let file = format!("sqlite:{}", bench.folder.path().join("s.db").display());
    let mut database = SqliteConnection::connect(&file).await.unwrap();
    let damage = "UPDATE credential SET sealed = zeroblob(40) WHERE name = 'other'";
    sqlx::query(damage).execute(&mut database).await.unwrap();
    let load = async || CredentialBook::open(&bench.key_file()).unwrap().load(&bench.store).await.unwrap();
    let opened = load().await;
    assert_eq!(opened.credentials.keys().collect::<Vec<_>>(), ["village"]);
    assert_eq!(opened.unusable.keys().collect::<Vec<_>>(), ["other"]);
    let reconciler = Reconciler {
        store: bench.store.clone(),
        clock: Clock::manual(NOW),
        key_file: bench.key_file(),
        period: Duration::from_secs(10),
    };
    let targets = reconciler.wanted().await.unwrap().targets(NOW);
    let target = targets.targets.values().next().unwrap();
    assert!(target.credential.is_none(), "{target:?}");
    assert_eq!(bench.import(&[("credentials.csv", CREDENTIALS)]).await.faults, []);
    let repaired = load().await;
    assert_eq!((repaired.credentials.len(), repaired.unusable.len()), (2, 0));
}
