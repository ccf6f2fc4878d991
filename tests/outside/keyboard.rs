//! The desk by the keyboard alone, in Chromium: from signing in to the release no mouse is touched, where one is can always be
//! seen, and what a screen reader is told of the controls is what they are.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use thirtyfour::Key;

use super::{
    browser::Browser,
    find,
    installation::Installation,
    newsroom::{HOLD, HOLDS, PASSWORD},
    shift::Shift,
    until,
};
use crate::stage::Backend;

/// What has the focus: its tag and name, and whether its outline is seen.
const FOCUS: &str = "const it = document.activeElement, style = getComputedStyle(it);
    return { tag: it.tagName, id: it.id, name: it.name || '', text: (it.textContent || it.value || '').trim().slice(0, 60),
             seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
             shown: it.getBoundingClientRect().height > 0 };";

async fn focus(browser: &Browser) -> Value {
    browser.driver.execute(FOCUS, []).await.unwrap().json().clone()
}

/// Goes on by the tabulator until `right` has the focus. Whatever has it on the way can be seen.
async fn tabs_to(browser: &Browser, what: &str, right: impl Fn(&Value) -> bool) {
    let mut passed = Vec::new();
    for _ in 0..80 {
        types(browser, Key::Tab).await;
        let now = focus(browser).await;
        assert!(
            now["tag"] == "IFRAME" || now["tag"] == "BODY" || now["seen"] == true,
            "the focus is not seen: {now}"
        );
        if right(&now) {
            return;
        }
        passed.push(now.to_string());
    }
    panic!("the tabulator never comes to {what}, but to\n{}", passed.join("\n"));
}

async fn types(browser: &Browser, keys: impl Into<thirtyfour::TypingData>) {
    browser.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
}

/// (role, name) of everything that a screen reader is told of.
async fn told(browser: &Browser) -> BTreeSet<(String, String)> {
    let tree = browser.driver.cdp().send_raw("Accessibility.getFullAXTree", json!({})).await.unwrap();
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
    let nodes = tree["nodes"].as_array().unwrap();
    let told = nodes.iter().filter(|node| node["ignored"] != true);
    told.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
}

/// Waits until a screen reader is told of controls of these roles whose names begin so: a page is there before its frames.
async fn is_told(browser: &Browser, wanted: &[(&str, &str)]) {
    until(&format!("a screen reader to be told of {wanted:?}"), async || {
        let told = told(browser).await;
        let is_there = |(role, name): &(&str, &str)| {
            told.iter().any(|(its, called)| its == role && called.starts_with(name))
        };
        wanted.iter().all(is_there).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_written_and_released_by_the_keyboard_alone() {
    let Some(chromedriver) = find("chromedriver", "the desk by the keyboard") else { return };
    let installation = Installation::new(Backend::Sqlite, 4, HOLD).await;
    installation.import((0..1_200).map(|n| format!("reader{n}@example.com")));
    let ada = ["user", "create", "--email", "ada@example.org", "--name", "Ada", "--role", "editor"];
    let link = installation.bellwether(&ada);
    let clock = Shift::new(installation.folder());
    let service = installation.serve_by(&clock).await;
    let browser = Browser::start(&chromedriver, true).await;
    browser.goto(link.trim()).await;
    tabs_to(&browser, "the password", |it| it["id"] == "password").await;
    types(&browser, PASSWORD).await;
    types(&browser, Key::Enter).await;
    browser.shows("h1", "Hello, Ada").await;
    tabs_to(&browser, "signing out", |it| it["text"] == "Sign out").await;
    types(&browser, Key::Enter).await;
    browser.shows(".notice", "You are signed out").await;

    tabs_to(&browser, "the address", |it| it["id"] == "email").await;
    types(&browser, "ada@example.org").await;
    tabs_to(&browser, "the password", |it| it["id"] == "password").await;
    types(&browser, PASSWORD).await;
    types(&browser, Key::Enter).await;
    browser.shows("h1", "Hello, Ada").await;

    types(&browser, Key::Tab).await;
    assert_eq!(focus(&browser).await["text"], "To the page", "what comes first passes the menu by");
    tabs_to(&browser, "the desk", |it| it["text"] == "Desk").await;
    types(&browser, Key::Enter).await;
    browser.shows("h1", "Desk").await;
    types(&browser, Key::Tab).await;
    types(&browser, Key::Enter).await;
    tabs_to(&browser, "a new alert", |it| it["text"] == "Write an alert").await;
    types(&browser, Key::Enter).await;
    browser.shows("h1", "Alert").await;
    let controls = [
        ("main", ""),
        ("navigation", "Newsroom"),
        ("region", "Write"),
        ("region", "Look and release"),
        ("heading", "Release"),
        ("textbox", "Subject"),
        ("textbox", "Text"),
        ("textbox", "Link to the story"),
        ("group", "Topics"),
        ("group", "How much it matters"),
        ("radio", "Critical"),
        ("button", "Save"),
        ("button", "Release"),
        ("textbox", "To release it, type how many"),
        ("textbox", "As this reader gets it"),
        ("button", "Send me a test"),
        ("Iframe", "The mail on a phone"),
    ];
    is_told(&browser, &controls).await;

    tabs_to(&browser, "the subject", |it| it["id"] == "subject").await;
    types(&browser, "The harbour is closed").await;
    tabs_to(&browser, "the text", |it| it["id"] == "body").await;
    types(&browser, "Ferries wait until noon.").await;
    tabs_to(&browser, "the link", |it| it["id"] == "link").await;
    types(&browser, "https://site.example.org/harbour").await;
    tabs_to(&browser, "the topic", |it| it["name"] == "topic").await;
    types(&browser, " ").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.shows(".reach", "1,200 readers").await;
    tabs_to(&browser, "the number", |it| it["id"] == "audience").await;
    types(&browser, "1200").await;
    types(&browser, Key::Enter).await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    is_told(&browser, &[("button", "Undo"), ("timer", "")]).await;
    tabs_to(&browser, "the undo", |it| it["text"] == "Undo").await;

    clock.by(HOLDS);
    browser.shows("[data-headline]", "Everybody has it.").await;
    is_told(&browser, &[("progressbar", "Accepted"), ("status", "")]).await;
    until("the mailbox to have them all", async || (installation.mailbox.len() == 1_200).then_some(())).await;
    browser.driver.quit().await.unwrap();
    drop(service);
}
