//! A draft in browsers while it is written: by two people at once, over a lost connection, past the end of a session. What
//! one types is saved, nothing else is changed, and what goes out is what stood there.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    browser::Browser,
    desk::{comes_in, signed_in, signs_in},
    find,
    installation::{Installation, Service, TOPIC},
    until,
};
use crate::stage::Backend;

/// A draft of an alert to three readers, as an API call began it.
struct Begun {
    installation: Installation,
    service: Service,
    id: String,
}

impl Begun {
    async fn new(more: &str) -> Self {
        let installation = Installation::new(Backend::Sqlite, 2, more).await;
        installation.import((0..3).map(|n| format!("reader{n}@example.com")));
        let service = installation.serve().await;
        let begun = json!({ "subject": "The bridge", "markdown": "What we know.", "url": "https://site.example.org/bridge", "topics": [TOPIC] });
        let (status, draft) = installation.api("/api/v1/drafts", None, &begun).await;
        assert_eq!(status, 201, "{draft}");
        let id = draft["id"].as_str().unwrap().to_owned();
        Self { installation, service, id }
    }

    async fn editor(&self, chromedriver: &Path, name: &str) -> Browser {
        let browser = signed_in(chromedriver, &self.installation, (name, "editor"), true).await;
        self.open(&browser).await;
        browser
    }

    async fn open(&self, browser: &Browser) {
        browser.goto(&format!("{}/admin/desk/{}", self.installation.url, self.id)).await;
    }

    async fn draft(&self) -> Value {
        self.installation.read(&format!("/api/v1/drafts/{}", self.id)).await
    }

    /// Somebody else changes it, by a program.
    async fn changes(&self, mut change: Value) {
        change["version"] = self.draft().await["version"].clone();
        let (status, answer) = self.installation.patch(&format!("/api/v1/drafts/{}", self.id), &change).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn has(&self, field: &str, value: &Value) {
        until(&format!("{field} to be {value}"), async || {
            (self.draft().await[field] == *value).then_some(())
        })
        .await;
    }
}

async fn leaves(browsers: impl IntoIterator<Item = Browser>, begun: Begun) {
    for browser in browsers {
        browser.driver.quit().await.unwrap();
    }
    drop(begun.service);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_shows_what_another_changed_and_takes_nothing_back() {
    let Some(chromedriver) = find("chromedriver", "two people in one draft") else { return };
    let begun = Begun::new("").await;
    let (grace, ada) = tokio::join!(begun.editor(&chromedriver, "Grace"), begun.editor(&chromedriver, "Ada"));
    grace.press("[name=level][value=major]").await;
    grace.press(&format!("[name=topic][value={TOPIC}]")).await;
    grace.press("summary").await;
    grace.press("#useful_for option[value='180']").await;
    grace.press("#public option[value=no]").await;
    grace.writes("#preheader", "In short").await;
    begun.has("preheader", &json!("In short")).await;
    until("the other's page to follow", async || {
        let level = ada.one("[name=level][value=major]").await.is_selected().await.unwrap();
        let topic = ada.one(&format!("[name=topic][value={TOPIC}]")).await.is_selected().await.unwrap();
        (level && !topic && ada.value("#public").await == "no").then_some(())
    })
    .await;
    assert_eq!(
        (ada.value("#useful_for").await, ada.value("#preheader").await),
        ("180".to_owned(), "In short".to_owned())
    );

    // A further change is seen there, so that page has looked and saved nothing of its own; a number that was typed for
    // what stood there before is typed once more.
    ada.one("#audience").await.send_keys("3").await.unwrap();
    begun.changes(json!({ "level": "critical", "useful_for": 45 })).await;
    until("the other's page to follow once more", async || {
        (ada.value("#useful_for").await == "45").then_some(())
    })
    .await;
    ada.shows("[data-came]", "Somebody else changed this: time of use, level. Read it once more.").await;
    assert_eq!(ada.value("#audience").await, "");
    ada.writes("#subject", "The bridge is closed").await;
    begun.has("subject", &json!("The bridge is closed")).await;
    let draft = begun.draft().await;
    let kept = ["level", "useful_for", "public", "topics"].map(|field| draft[field].clone());
    assert_eq!(kept, [json!("critical"), json!(45), json!(false), json!([])]);
    leaves([grace, ada], begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_people_wrote_in_one_place_stays_apart_until_somebody_decides() {
    let Some(chromedriver) = find("chromedriver", "two people in one place of a draft") else { return };
    let begun = Begun::new("[newsroom]\nhold = \"10s\"").await;
    let browser = begun.editor(&chromedriver, "Grace").await;
    let of_others = "The bridge is closed.";
    // Her page hears of it when she has written something.
    browser.is_offline(true).await;
    begun.changes(json!({ "markdown": of_others, "level": "critical" })).await;
    browser.press("[name=level][value=major]").await;
    browser.writes("#body", "The bridge is open.").await;
    browser.is_offline(false).await;
    browser.shows("[data-conflict=body]", of_others).await;
    browser.shows("[data-conflict=level]", "Critical").await;
    // The next save decides nothing for them, and nothing is released meanwhile.
    browser.writes("#subject", "The bridge tonight").await;
    browser.shows("[data-saved]", "but for what is asked").await;
    browser.shows("[data-warnings]", "Decide first").await;
    assert!(!browser.one("[data-go]").await.is_enabled().await.unwrap());
    browser.pictures("desk-two-people", "[data-conflict=body]").await;
    let draft = begun.draft().await;
    assert_eq!(
        (&draft["markdown"], &draft["level"], &draft["subject"]),
        (&json!(of_others), &json!("critical"), &json!("The bridge tonight"))
    );

    browser.press("[data-conflict=body] button:last-of-type").await;
    browser.press("[data-conflict=level] button:first-of-type").await;
    begun.has("markdown", &json!("The bridge is open.")).await;
    assert!(browser.one("[name=level][value=critical]").await.is_selected().await.unwrap());
    until("the release to be possible", async || {
        browser.one("[data-go]").await.is_enabled().await.unwrap().then_some(())
    })
    .await;
    leaves([browser], begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_is_what_stands_there_when_the_button_is_pressed() {
    let Some(chromedriver) = find("chromedriver", "a last word before the release") else { return };
    let begun = Begun::new("[newsroom]\nhold = \"10s\"").await;
    let browser = begun.editor(&chromedriver, "Grace").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.one("#audience").await.send_keys("3").await.unwrap();
    // Both in one go, long before what was typed is saved by itself.
    let script = "
        const subject = document.querySelector('#subject');
        subject.value = 'The bridge is closed';
        subject.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('[data-go]').click();";
    browser.driver.execute(script, []).await.unwrap();
    browser.shows("[data-held]", "Nobody has it yet").await;
    browser.shows("h1", "The bridge is closed").await;
    leaves([browser], begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_without_a_connection_or_a_session_is_saved_later() {
    let Some(chromedriver) = find("chromedriver", "a lost connection at the desk") else { return };
    let begun = Begun::new("[newsroom]\nhold = \"5m\"").await;
    let browser = begun.editor(&chromedriver, "Grace").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.is_offline(true).await;
    browser.writes("#body", "Written in a tunnel.").await;
    browser.shows("[data-saved]", "no connection").await;
    browser.is_offline(false).await;
    begun.has("markdown", &json!("Written in a tunnel.")).await;
    browser.shows("[data-saved]", "Saved.").await;

    // The tab is gone before the connection is back; the next one begins where it ended.
    browser.is_offline(true).await;
    browser.writes("#body", "Written in a longer tunnel.").await;
    browser.shows("[data-saved]", "no connection").await;
    let lost = browser.driver.window().await.unwrap();
    let tab = browser.driver.new_tab().await.unwrap();
    browser.driver.close_window().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    assert!(!browser.driver.windows().await.unwrap().contains(&lost));
    begun.changes(json!({ "subject": "The tunnel" })).await;
    begun.open(&browser).await;
    begun.has("markdown", &json!("Written in a longer tunnel.")).await;
    assert_eq!(browser.value("#subject").await, "The tunnel");
    browser.shows("[data-saved]", "Saved.").await;

    // Her sessions are ended; she signs in again in another tab, and the first goes on.
    let desk = browser.driver.window().await.unwrap();
    browser.driver.delete_all_cookies().await.unwrap();
    browser.writes("#body", "Written while signed out.").await;
    browser.shows("[data-saved]", "You are signed out").await;
    let tab = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    browser.goto(&format!("{}/admin/login", begun.installation.url)).await;
    signs_in(&browser, "Grace").await;
    browser.driver.switch_to_window(desk).await.unwrap();
    begun.has("markdown", &json!("Written while signed out.")).await;
    browser.shows("[data-saved]", "Saved.").await;

    // A page that only follows leads to the way in, and back.
    let words = json!({ "subject": "Polls are closed", "markdown": "What we know.", "topics": [TOPIC] });
    let (_, alert) = begun.installation.api("/api/v1/drafts", None, &words).await;
    let release = format!("/api/v1/drafts/{}/release", alert["id"].as_str().unwrap());
    let (status, held) = begun.installation.api(&release, Some("a"), &json!({ "audience": 3 })).await;
    assert_eq!(status, 202, "{held}");
    browser.goto(&format!("{}/admin/live/{}", begun.installation.url, held["id"].as_str().unwrap())).await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    let live = browser.driver.window().await.unwrap();
    let tab = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    browser.goto(&format!("{}/admin", begun.installation.url)).await;
    browser.press(".me button").await;
    browser.shows(".notice", "You are signed out").await;
    browser.driver.switch_to_window(live).await.unwrap();
    browser.shows("h1", "Sign in").await;
    leaves([browser], begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_typed_is_saved_in_nobody_elses_name_and_outlives_a_release_that_is_undone() {
    let Some(chromedriver) = find("chromedriver", "two people at one machine") else { return };
    let begun = Begun::new("[newsroom]\nhold = \"5m\"").await;
    let browser = begun.editor(&chromedriver, "Grace").await;
    browser.shows("[data-saved]", "Saved").await;
    let desk = browser.driver.window().await.unwrap();
    browser.driver.delete_all_cookies().await.unwrap();
    browser.writes("#body", "By Grace alone.").await;
    browser.shows("[data-saved]", "You are signed out").await;
    let ada = ["user", "create", "--email", "ada@example.org", "--name", "Ada", "--role", "editor"];
    let link = begun.installation.bellwether(&ada);
    let tab = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    comes_in(&browser, &link, "Ada").await;
    browser.driver.switch_to_window(desk.clone()).await.unwrap();
    browser.shows("[data-saved]", "ada@example.org is signed in here now").await;
    assert_eq!(begun.draft().await["markdown"], "What we know.");

    // Meanwhile it is released, and then that is undone: her words are still there, and become hers.
    let path = format!("/api/v1/drafts/{}/release", begun.id);
    let (status, held) = begun.installation.api(&path, Some("a"), &json!({ "audience": 3 })).await;
    assert_eq!(status, 202, "{held}");
    browser.driver.close_window().await.unwrap();
    let tab = browser.driver.windows().await.unwrap().remove(0);
    browser.driver.switch_to_window(tab).await.unwrap();
    browser.press(".me button").await;
    browser.shows(".notice", "You are signed out").await;
    signs_in(&browser, "Grace").await;
    begun.open(&browser).await;
    browser.shows(".notice", "This draft was released").await;
    let undo = format!("/api/v1/issues/{}/undo", held["id"].as_str().unwrap());
    assert_eq!(begun.installation.api(&undo, None, &json!({})).await.0, 200);
    begun.open(&browser).await;
    begun.has("markdown", &json!("By Grace alone.")).await;
    let authors = begun.draft().await["authors"].to_string();
    assert!(authors.contains("grace@example.org") && !authors.contains("ada@example.org"), "{authors}");
    leaves([browser], begun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_keeps_what_one_typed_as_one_typed_it() {
    let Some(chromedriver) = find("chromedriver", "long texts and pauses at the desk") else { return };
    let begun = Begun::new("").await;
    let browser = begun.editor(&chromedriver, "Grace").await;
    // A pause behind a space: what is saved has none at its end, and the next word is a word of its own.
    browser.writes("#subject", "The bridge ").await;
    browser.shows("[data-saved]", "Saved.").await;
    browser.one("#subject").await.send_keys("is closed").await.unwrap();
    begun.has("subject", &json!("The bridge is closed")).await;

    let long = "word ".repeat(4_200);
    let script = "
        const body = document.querySelector('#body');
        body.value = arguments[0];
        body.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.driver.execute(script, [json!(long)]).await.unwrap();
    browser.shows("[data-warnings]", "The text has 21000 characters").await;
    assert!(!browser.one("[data-go]").await.is_enabled().await.unwrap());
    assert_eq!(begun.draft().await["markdown"].as_str().map(str::len), Some(21_000), "all of it is kept");
    browser.driver.execute(script, [json!("word ".repeat(40_001))]).await.unwrap();
    browser.shows("[data-saved]", "longer than can be kept").await;
    assert_eq!(browser.value("#body").await.len(), 200_005, "it still stands there");
    leaves([browser], begun).await;
}
