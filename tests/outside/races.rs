//! A race in Chromium: an owner prepares it on a phone, nobody releases it too early, and when its moment has come it is two
//! clicks and a number; another page on the same race follows. Leaves pictures of the pages in target/screenshots.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use thirtyfour::By;

use super::{
    browser::Browser,
    desk::signed_in,
    find,
    installation::{Installation, TOPIC},
    newsroom::{HOLD, HOLDS},
    shift::Shift,
    until,
};
use crate::stage::Backend;

const RELEASE: &str = "form[action$='/release']";
const READERS: &str = "300";

/// What a person does on a page, counted.
struct Hand<'a> {
    browser: &'a Browser,
    clicks: AtomicUsize,
    typed: AtomicUsize,
}

impl<'a> Hand<'a> {
    fn at(browser: &'a Browser) -> Self {
        Self { browser, clicks: AtomicUsize::new(0), typed: AtomicUsize::new(0) }
    }

    async fn clicks(&self, selector: &str) {
        self.clicks.fetch_add(1, Relaxed);
        self.browser.press(selector).await;
    }

    async fn types(&self, selector: &str, text: &str) {
        self.typed.fetch_add(1, Relaxed);
        types(self.browser, selector, text).await;
    }

    fn did(&self) -> (usize, usize) {
        (self.clicks.load(Relaxed), self.typed.load(Relaxed))
    }
}

async fn types(browser: &Browser, selector: &str, text: &str) {
    browser.one(selector).await.send_keys(text).await.unwrap();
}

/// A day and a time, which each browser takes in an order of its own.
async fn picks(browser: &Browser, selector: &str, time: &str) {
    let script = format!("document.querySelector('{selector}').value = '{time}'");
    browser.driver.execute(script, []).await.unwrap();
}

async fn count(browser: &Browser, selector: &str) -> usize {
    browser.driver.find_all(By::Css(selector)).await.unwrap().len()
}

async fn has(browser: &Browser, selector: &str, wanted: usize) {
    until(&format!("{wanted} of {selector}"), async || {
        (count(browser, selector).await == wanted).then_some(())
    })
    .await;
}

/// The status with which the service answers a release that no button of the shown page asks for.
async fn forces(browser: &Browser, draft: &str) -> u64 {
    let script = format!(
        "const done = arguments[arguments.length - 1];
         const fields = {{ csrf: document.querySelector('[name=csrf]').value, version: 2, audience: {READERS} }};
         fetch('{draft}/release', {{ method: 'POST', body: new URLSearchParams(fields) }}).then(it => done(it.status), it => done(0));"
    );
    browser.driver.execute_async(script, []).await.unwrap().json().as_u64().unwrap()
}

/// Writes the alert of one more outcome; gives the path of its draft.
async fn writes(browser: &Browser, race: &str, outcome: &str) -> String {
    browser.goto(race).await;
    types(browser, "#outcome", outcome).await;
    browser.press("form[action$='/outcomes'] button").await;
    browser.shows("h1", outcome).await;
    types(browser, "#subject", &format!("{outcome} the election")).await;
    types(browser, "#body", "By all counts.").await;
    types(browser, "#link", "https://site.example.org/race").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.driver.current_url().await.unwrap().path().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_is_called_on_a_phone_by_two_clicks_and_a_number_and_other_pages_follow() {
    let Some(chromedriver) = find("chromedriver", "a race in browsers") else { return };
    let installation = Installation::new(Backend::Sqlite, 4, HOLD).await;
    installation.import((0..300).map(|n| format!("reader{n}@example.com")));
    let clock = Shift::new(installation.folder());
    let service = installation.serve_by(&clock).await;
    let ada = signed_in(&chromedriver, &installation, ("Ada", "owner"), true).await;
    let grace = signed_in(&chromedriver, &installation, ("Grace", "editor"), true).await;
    ada.looks("dark", true).await;

    ada.goto(&format!("{}/admin/desk", installation.url)).await;
    ada.press("main a[href='/admin/races']").await;
    types(&ada, "#name", "Governor of Springfield").await;
    picks(&ada, "#at", "2099-11-03T20:00").await;
    ada.one("#timezone").await.clear().await.unwrap();
    types(&ada, "#timezone", "New York").await;
    ada.press(&format!("[name=topic][value={TOPIC}]")).await;
    ada.press("form.write button").await;
    ada.shows(".fault", "write its IANA name, as in America/New_York").await;
    ada.pictures("race-refused", "form.write").await;
    ada.looks("dark", true).await;
    ada.one("#timezone").await.clear().await.unwrap();
    types(&ada, "#timezone", "America/New_York").await;
    ada.press("form.write button").await;
    ada.shows("h1", "Governor of Springfield").await;
    let race = ada.driver.current_url().await.unwrap();
    let moss = writes(&ada, race.as_str(), "Moss wins").await;
    let field = writes(&ada, race.as_str(), "Field wins").await;

    grace.goto(race.as_str()).await;
    grace.shows("[data-headline]", "Nothing of it can be released before Tue 3 Nov 2099, 20:00 EST").await;
    ada.goto(race.as_str()).await;
    for browser in [&ada, &grace] {
        assert_eq!(count(browser, RELEASE).await, 0, "no button before its moment");
        assert_eq!((forces(browser, &moss).await, forces(browser, &field).await), (409, 409));
    }
    ada.pictures("race-waiting", "h1").await;
    ada.looks("dark", true).await;

    // The polls closed early. A time that has passed opens it at once, which she has to say.
    ada.press("#moment summary").await;
    picks(&ada, "#at", "2026-01-01T20:00").await;
    types(&ada, "#typed", "Governor of Springfield").await;
    ada.press("form[action$='/moment'] button").await;
    ada.shows("#moment .fault", "has passed").await;
    ada.press("[name=open_now]").await;
    ada.press("form[action$='/moment'] button").await;
    ada.shows("[data-headline]", "It can be called since").await;
    grace.shows("[data-headline]", "It can be called since").await;
    has(&grace, RELEASE, 2).await;
    grace.pictures("race-open", "h1").await;

    // Grace has half a number typed when something changes elsewhere.
    let number = format!("form[action='{field}/release'] [name=audience]");
    types(&grace, &number, "30").await;
    ada.goto(&format!("{}{moss}", installation.url)).await;
    types(&ada, "#subject", ", it is certain").await;
    grace.shows(".outcomes", "Moss wins the election, it is certain").await;
    assert_eq!(grace.one(&number).await.value().await.unwrap().as_deref(), Some("30"), "it stays");

    calls(&ada, &installation, &race, &moss).await;
    ada.shows("[data-held]", "Nobody has it yet").await;
    grace.shows("[data-headline]", "Called: Moss wins, released by ada@example.org").await;
    has(&grace, RELEASE, 0).await;
    assert_eq!(forces(&grace, &field).await, 409, "one alone");
    grace.pictures("race-held", "h1").await;
    ada.press("form[action$='/undo'] button").await;
    ada.shows(".notice", "Undone. Nobody got it.").await;
    has(&ada, RELEASE, 2).await;
    has(&grace, RELEASE, 2).await;
    grace.shows("[data-headline]", "It can be called since").await;

    let hand = calls(&ada, &installation, &race, &moss).await;
    clock.by(HOLDS);
    until("the first accepted mail", async || (!installation.mailbox.is_empty()).then_some(())).await;
    assert_eq!(hand, (2, 1), "clicks from the desk, and numbers typed");
    ada.shows("[data-headline]", "Everybody has it").await;
    assert_eq!(installation.mailbox.len(), 300);
    grace.shows("[data-race]", "How it went").await;
    let text = grace.one("[data-race]").await.text().await.unwrap();
    assert!(!text.contains("Undo") && !text.contains("stop it"), "{text}");
    grace.pictures("race-called", "h1").await;
    grace.press(".outcomes a[href*='words=']").await;
    grace.shows("h1", "Moss wins the election").await;
    assert_eq!(
        grace.one("#subject").await.value().await.unwrap().as_deref(),
        Some("Field wins the election"),
        "the words of the other outcome"
    );
    for browser in [ada, grace] {
        browser.driver.quit().await.unwrap();
    }
    drop(service);
}

/// From opening the desk to the release; gives how often something was clicked, and typed.
async fn calls(
    browser: &Browser,
    installation: &Installation,
    race: &url::Url,
    draft: &str,
) -> (usize, usize) {
    let hand = Hand::at(browser);
    browser.goto(&format!("{}/admin/desk", installation.url)).await;
    hand.clicks(&format!("main a[href='{}']", race.path())).await;
    hand.types(&format!("form[action='{draft}/release'] [name=audience]"), READERS).await;
    hand.clicks(&format!("form[action='{draft}/release'] button")).await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    hand.did()
}
