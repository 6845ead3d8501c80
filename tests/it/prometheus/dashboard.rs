//! The dashboards: JSON that Grafana 9 takes, in Chinese, over series that exist. `whole::prometheus` asks a real Prometheus
//! every query.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A query of a panel, its variables filled in.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) panel: String,
    pub(crate) expression: String,
}

/// Name and content of each dashboard.
fn dashboards() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let read = |file: std::path::PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
    };
    files.map(read).collect()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Every query, of this county and point.
pub(crate) fn queries(county: &str, point: &str) -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard, "/panels") {
            for target in list(panel, "/targets") {
                let expression = word(target, "/expr")
                    .replace("$__rate_interval", "1m")
                    .replace("$__range", "5m")
                    .replace("$county", county)
                    .replace("$point", point);
                queries.push(Query { panel: format!("{name}: {}", word(panel, "/title")), expression });
            }
        }
    }
    queries
}

#[test]
fn grafana_is_given_what_it_reads_and_people_read_chinese() {
    let dashboards = dashboards();
    let names: BTreeSet<&str> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["county", "fleet", "point", "watcher"]));
    let is_chinese = |text: &str| text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    for (name, dashboard) in &dashboards {
        assert_eq!(word(dashboard, "/uid"), format!("sharpeyes-{name}"));
        assert!(dashboard["schemaVersion"].as_u64() >= Some(36), "{name}");
        assert!(is_chinese(word(dashboard, "/title")), "{name}");
        let mut ids = BTreeSet::new();
        for panel in list(dashboard, "/panels") {
            let title = word(panel, "/title");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: its id is there twice");
            // CPU is a word that everybody reads.
            assert!(is_chinese(title) || title == "CPU", "{name}: {title}");
            let (x, width) = (&panel["gridPos"]["x"], &panel["gridPos"]["w"]);
            assert!(x.as_u64().unwrap() + width.as_u64().unwrap() <= 24, "{name}: {title}");
            let is_row = word(panel, "/type") == "row";
            assert_ne!(list(panel, "/targets").is_empty(), !is_row, "{name}: {title}");
            for target in list(panel, "/targets") {
                assert_eq!(word(target, "/datasource/uid"), "${DS}", "{name}: {title}");
            }
        }
        assert_eq!(word(dashboard, "/templating/list/0/type"), "datasource");
    }
}

/// The names of our series and recordings in a text.
fn series(text: &str) -> BTreeSet<&str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = text.split(|letter| !is_name(letter));
    words.filter(|word| word.contains("sharpeyes_")).collect()
}

#[test]
fn every_query_and_every_rule_reads_series_that_are_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let rules = ["record", "alerts", "burn"]
        .map(|name| read(&format!("deploy/prometheus/rules/{name}.yml")))
        .concat();
    let documented = read("docs/metrics.md");
    let documented = series(&documented);
    let recorded = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    let known: BTreeSet<&str> = recorded.chain(documented).collect();
    let queries = queries("230521", "23052100001320000255");
    let used = queries.iter().flat_map(|query| series(&query.expression)).chain(series(&rules));
    let unknown: BTreeSet<&str> =
        used.filter(|name| !known.contains(name.strip_suffix("_bucket").unwrap_or(name))).collect();
    assert_eq!(unknown, BTreeSet::new());
    for query in &queries {
        assert!(!query.expression.contains('$'), "{}: {}", query.panel, query.expression);
    }
}
