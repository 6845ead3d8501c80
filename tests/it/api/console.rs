//! The console as people use it: in a browser, with keys, over the real desk.

use crate::api::incident::with_one_point;
use crate::api::service::Service;
use crate::support::browser::Browser;
use serde_json::json;
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, ExclusionKind};

async fn duty_desk(service: &Service) -> Browser {
    Browser::open(&format!("http://{}/duty", service.address)).await
}

/// What the row of an incident says, `undefined` without one.
fn row(id: i64) -> String {
    format!("document.getElementById('incident-{id}')?.innerText")
}

#[tokio::test]
async fn keys_alone_take_an_incident_from_the_list_to_its_repair() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let mut browser = duty_desk(&service).await;
    let says = |what: &str| format!("{}?.includes('{what}')", row(id));
    for what in ["待确认", "画面冻结", "1号", "0 / 1", "轮到网格长", "名称230521100201"] {
        browser.wait_for(&says(what)).await;
    }
    let painted = format!(
        "(() => {{ const box = document.getElementById('incident-{id}').getBoundingClientRect(); \
         return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).closest('.row').id; }})()"
    );
    assert_eq!(browser.evaluate(&painted).await, json!(format!("incident-{id}")));

    browser.press("Enter").await;
    browser.wait_for("document.querySelector('.deeds')?.innerText.includes('派单')").await;
    browser.press("a").await;
    browser.wait_for("document.activeElement.name === 'note'").await;
    browser.write("看到了").await;
    browser.evaluate("document.activeElement.form.requestSubmit()").await;
    browser.wait_for(&says("已确认")).await;
    browser.wait_for("document.querySelector('.history').innerText.includes('看到了')").await;
    let incident = service.get(&format!("/api/v1/incidents/{id}"), None).await.json();
    assert_eq!(incident["stage"], "acknowledged");
    browser.press("d").await;
    browser.wait_for("document.activeElement.name === 'assignee'").await;
    browser.write("龙通运维").await;
    browser.press("Enter").await;
    browser.wait_for(&says("龙通运维")).await;
    browser.press("r").await;
    browser.wait_for("document.activeElement.name === 'reason'").await;
    browser.evaluate("document.activeElement.form.requestSubmit()").await;
    browser.wait_for(&says("处理中")).await;
    browser.wait_for("document.querySelector('.history')?.innerText.includes('处理：停电')").await;
}

#[tokio::test]
async fn whoever_may_only_look_is_told_so_where_he_acts() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let secret = service.token("reader", Role::Read, None).await;
    let mut browser = duty_desk(&service).await;
    browser.wait_for("!document.getElementById('login').hidden").await;
    browser.wait_for("document.activeElement.id === 'token'").await;
    browser.write(&secret).await;
    browser.press("Enter").await;
    browser.wait_for(&format!("{}?.includes('待确认')", row(id))).await;
    browser.evaluate("document.getElementById('list').focus()").await;
    browser.press("Enter").await;
    browser.wait_for("document.querySelector('.deeds')?.innerText.includes('确认')").await;
    browser.press("a").await;
    browser.wait_for("document.activeElement.name === 'note'").await;
    browser.evaluate("document.activeElement.form.requestSubmit()").await;
    browser.wait_for("document.querySelector('.deed .bad').innerText.includes('此令牌无权操作')").await;
    assert_eq!(service.get(&format!("/api/v1/incidents/{id}"), Some(&secret)).await.json()["stage"], "open");
}

#[test]
fn the_console_says_every_cause_in_the_words_of_the_messages() {
    const WORDS: &str = include_str!("../../../web/word.js");
    let carrying = [Cause::LinkDown("L-1".parse().unwrap()), Cause::Excluded(ExclusionKind::PowerCut)];
    for cause in Cause::PLAIN.iter().chain(&carrying) {
        let entry = format!("{}: \"{}\"", cause.as_str(), cause.name_zh());
        assert!(WORDS.contains(&entry), "web/word.js lacks {entry}");
    }
}
