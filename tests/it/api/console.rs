//! The console as people use it: in a browser, with keys, over the real desk.

use crate::api::incident::{only, publish, wait_for, with_one_point};
use crate::api::service::{Service, VILLAGES, code_of};
use crate::support::browser::Browser;
use serde_json::json;
use sharpeyes::domain::access::Role;
use sharpeyes::domain::{Cause, Condition, ExclusionKind};
use std::time::Duration;

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
    assert_eq!(browser.complaints(), &[] as &[String]);
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

/// The service with an incident in each of two villages.
async fn with_two_points(service: &Service) -> [i64; 2] {
    let sick = [VILLAGES[0], VILLAGES[1]].map(|village| code_of(village.parse().unwrap(), 0));
    publish(service, only(|point| sick.contains(point).then_some(Condition::Because(Cause::Frozen))));
    let items = wait_for(service, "ended=false", |items| items.len() == 2).await;
    [0, 1].map(|index| items[index]["id"].as_i64().unwrap())
}

#[tokio::test]
async fn what_is_selected_is_acknowledged_at_once() {
    let service = Service::start().await;
    let ids = with_two_points(&service).await;
    let mut browser = duty_desk(&service).await;
    for id in ids {
        browser.wait_for(&format!("{}?.includes('待确认')", row(id))).await;
    }
    for key in [" ", "j", " "] {
        browser.press(key).await;
    }
    browser.wait_for("document.getElementById('selected').innerText === '已选 2 件'").await;
    browser.press("a").await;
    for id in ids {
        browser.wait_for(&format!("{}?.includes('已确认')", row(id))).await;
        let incident = service.get(&format!("/api/v1/incidents/{id}"), None).await.json();
        assert_eq!(incident["stage"], "acknowledged");
    }
    browser.press("a").await;
    browser.wait_for("document.getElementById('wrong').innerText.includes('未确认')").await;
    assert_eq!(browser.complaints(), &[] as &[String]);
}

#[tokio::test]
async fn a_silence_stands_beside_the_list_until_it_is_ended() {
    let service = Service::start().await;
    let id = with_one_point(&service).await;
    let mut browser = duty_desk(&service).await;
    browser.wait_for(&row(id)).await;
    browser.press("Enter").await;
    browser.wait_for("document.querySelector('.deeds')?.innerText.includes('静默')").await;
    browser.press("m").await;
    browser.wait_for("document.activeElement.name === 'what'").await;
    let at = service.clock.now().plus(Duration::from_secs(3_600)).as_millis();
    let fill = format!(
        "document.activeElement.form.elements.ends.value = new Date({at} - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16); \
         document.activeElement.form.elements.reason.focus()"
    );
    browser.evaluate(&fill).await;
    browser.write("修路").await;
    browser.evaluate("document.activeElement.form.requestSubmit()").await;
    browser.wait_for(&format!("{}?.includes('静默')", row(id))).await;
    browser.wait_for("document.querySelector('.silences').innerText.includes('修路')").await;
    browser.evaluate("document.querySelector('.silences button').click()").await;
    browser.wait_for("document.querySelector('.silences').innerText === '没有静默'").await;
    browser.wait_for(&format!("!{}.includes('静默')", row(id))).await;
    assert_eq!(browser.complaints(), &[] as &[String]);
}

#[tokio::test]
async fn a_shift_is_given_by_one_person_and_taken_by_another() {
    let service = Service::start().await;
    with_one_point(&service).await;
    let mut browser = duty_desk(&service).await;
    browser.wait_for("document.querySelector('#list .row')").await;
    browser.press("h").await;
    browser.wait_for("document.querySelector('.sheet')?.innerText.includes('画面冻结')").await;
    sign(&mut browser, "张三").await;
    browser.wait_for("document.querySelector('.sheet form')?.innerText.includes('接班人')").await;
    sign(&mut browser, "张三").await;
    browser.wait_for("document.querySelector('.sheet .bad')?.innerText.includes('填写有误')").await;
    sign(&mut browser, "李四").await;
    browser.wait_for("document.querySelector('.signatures').innerText.includes('李四')").await;
    browser.wait_for("/张三 → 李四/.test(document.querySelector('.earlier').innerText)").await;
}

/// Writes a name into the form of the sheet and sends it.
async fn sign(browser: &mut Browser, person: &str) {
    browser.wait_for("document.querySelector('.sheet form button:enabled')").await;
    browser.evaluate("(() => { const { person } = document.querySelector('.sheet form').elements; person.value = ''; person.focus(); })()").await;
    browser.write(person).await;
    browser.press("Enter").await;
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
