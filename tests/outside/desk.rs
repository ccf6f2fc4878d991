//! An election night in Chromium: one editor alone, with two factors, whose alert to thousands goes wrong, and two people
//! who release together. Leaves pictures of the pages in target/screenshots.

use std::path::Path;

use bellwether::clock::Clock;
use bellwether::domain::{time::Timestamp, totp};

use super::{
    browser::Browser,
    find,
    installation::{Installation, TOPIC},
    long,
    newsroom::{HOLD, HOLDS, PASSWORD, from_base32},
    shift::Shift,
    until,
};
use crate::stage::Backend;

/// How many readers, and how many mails a second the relay takes: in the long mode as many as on such a night, else so few
/// that there is time to look before it is stopped.
fn crowd() -> (usize, usize) {
    if long() { (50_000, 4_000) } else { (5_000, 100) }
}

/// As pages show it: in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    rest.as_bytes()
        .chunks(3)
        .fold(first.to_owned(), |text, group| format!("{text},{}", std::str::from_utf8(group).unwrap()))
}

fn now() -> Timestamp {
    Clock::System.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_to_thousands_is_undone_released_stopped_in_the_middle_and_corrected() {
    let Some(chromedriver) = find("chromedriver", "an election night in a browser") else { return };
    let (readers, rate) = crowd();
    let installation = Installation::new(Backend::Sqlite, 10, HOLD).await;
    installation.edit_config("connections = 10", &format!("connections = 10\nrate = {rate}"));
    let domains = ["example.com", "example.com", "example.net", "quick.example"];
    let began = now();
    installation.import((0..readers).map(|n| format!("reader{n}@{}", domains[n % domains.len()])));
    let imported = now().since(began);
    let ada = ["user", "create", "--email", "ada@example.org", "--name", "Ada Field", "--role", "editor"];
    let link = installation.bellwether(&ada);
    let clock = Shift::new(installation.folder());
    let service = installation.serve_by(&clock).await;
    let browser = Browser::start(&chromedriver, true).await;
    let secret = sets_up_two_factors(&browser, &installation, link.trim()).await;

    browser.press(".me button").await;
    browser.shows(".notice", "You are signed out").await;
    browser.one("#email").await.send_keys("ada@example.org").await.unwrap();
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", "Your code").await;
    // The code of this half minute was used; a phone whose clock is ahead shows the next.
    let next = now().plus(std::time::Duration::from_secs(30));
    browser.one("#code").await.send_keys(totp::code_at(&secret, next)).await.unwrap();
    browser.press("form[action='/admin/login/code'] button").await;
    browser.shows("h1", "Hello, Ada").await;

    browser.goto(&format!("{}/admin/desk", installation.url)).await;
    browser.press("main form button").await;
    browser.one("#subject").await.send_keys("The bridge is lost").await.unwrap();
    browser.one("#body").await.send_keys("What we know by **now**.").await.unwrap();
    browser.one("#link").await.send_keys("https://site.example.org/bridge").await.unwrap();
    browser.press("[name=topic]").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.shows(".reach", &format!("{} readers", grouped(readers))).await;
    browser.one("#reader").await.send_keys("reader7@quick.example").await.unwrap();
    browser.press(".one-reader button").await;
    browser.shows(".look .notice.good strong", "They would get it now.").await;
    browser.pictures("desk-one-reader", ".one-reader").await;
    browser.press("form[action$='/test'] button").await;
    browser.shows(".notice", "A test is on its way to you").await;
    until("the test in the editor's own inbox", async || {
        (!installation.mailbox.to("ada@example.org").is_empty()).then_some(())
    })
    .await;
    assert_eq!(installation.mailbox.len(), 1, "and in no other");

    releases(&browser, readers).await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    browser.press("form[action$='/undo'] button").await;
    browser.shows(".notice", "Undone. Nobody got it.").await;
    releases(&browser, readers).await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    clock.by(HOLDS);
    browser.shows("[data-headline]", "On its way.").await;

    let began = now();
    let some = progressed(&browser, 1).await;
    let more = progressed(&browser, 2 * rate).await;
    assert!(more > some && more < readers, "{some}, {more} of {readers}");
    browser.shows("[data-places=domains]", "example.com").await;
    browser.shows("[data-places=relays]", "accepted").await;
    browser.shows("[data-reached]", "the last so far").await;
    assert!(browser.one("[data-curve]").await.is_displayed().await.unwrap(), "acceptance over seconds");
    let points = browser.one("[data-curve] polyline").await.attr("points").await.unwrap().unwrap();
    assert!(points.starts_with("0,118 ") && points.split(' ').count() > 3, "{points}");
    browser.press("[data-stop] button").await;
    browser.shows(".notice", "Stopped. Nobody more gets it.").await;
    let watched = now().since(began);
    until("what had begun to end", async || {
        let waiting = browser.one("[data-number=waiting]").await.text().await.unwrap();
        (waiting == "0").then_some(())
    })
    .await;
    let had = accepted(&browser).await;
    browser
        .shows("[data-headline]", &format!("Stopped. {} have it, nobody more gets it.", grouped(had)))
        .await;
    assert!(had >= more && had < readers, "{had} of {readers}");
    assert_eq!(installation.mailbox.len(), had + 1, "the screen says exactly how many have it");
    // The page came anew, with the whole curve.
    let points = browser.one("[data-curve] polyline").await.attr("points").await.unwrap().unwrap();
    assert!(points.split(' ').count() > 10, "{points}");
    browser.pictures("newsroom-stopped", "h1").await;

    browser.press("summary").await;
    browser.one("#subject").await.send_keys("The bridge stands").await.unwrap();
    browser.one("#body").await.send_keys("It was never lost.").await.unwrap();
    browser.press("form[action$='/correct'] button").await;
    browser.shows("h1", "Correction: The bridge stands").await;
    browser.shows("[data-headline]", "Everybody has it").await;
    browser.shows("[data-number=accepted]", &grouped(had)).await;
    assert_eq!(installation.mailbox.len(), 2 * had + 1, "exactly those who had the alert");
    browser.pictures("newsroom-corrected", "h1").await;
    eprintln!("{readers} readers imported in {imported:?}; stopped after {watched:?}, when {had} had it");
    browser.driver.quit().await.unwrap();
    drop(service);
}

/// Behind the link that was made for her; gives the secret that her phone has.
async fn sets_up_two_factors(browser: &Browser, installation: &Installation, link: &str) -> Vec<u8> {
    comes_in(browser, link, "Ada").await;
    browser.goto(&format!("{}/admin/account/codes", installation.url)).await;
    browser.press("form[action$='/begin'] button").await;
    browser.press("summary").await;
    let secret = from_base32(&browser.one("code.secret").await.text().await.unwrap());
    browser.one("#code").await.send_keys(totp::code_at(&secret, now())).await.unwrap();
    browser.press("form[action='/admin/account/codes/confirm'] button").await;
    browser.shows("h1", "It is on").await;
    secret
}

async fn releases(browser: &Browser, readers: usize) {
    browser.one("#audience").await.send_keys(grouped(readers)).await.unwrap();
    browser.press("form[action$='/release'] button").await;
}

/// How many have it, as the page says.
async fn accepted(browser: &Browser) -> usize {
    let text = browser.one("[data-number=accepted]").await.text().await.unwrap();
    text.replace(',', "").parse().unwrap_or(0)
}

/// Waits until the page, which nobody reloads, says that at least so many have it; gives how many.
async fn progressed(browser: &Browser, least: usize) -> usize {
    until("the progress on the page", async || Some(accepted(browser).await).filter(|it| *it >= least)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writes_without_javascript_and_another_releases_on_a_phone() {
    let Some(chromedriver) = find("chromedriver", "two people at the desk in browsers") else { return };
    let more = "[newsroom]\nhold = \"2s\"\ntwo_person = [\"critical\"]";
    let installation = Installation::new(Backend::Sqlite, 4, more).await;
    installation.import((0..300).map(|n| format!("reader{n}@example.com")));
    let service = installation.serve().await;
    let author = signed_in(&chromedriver, &installation, ("Grace", "editor"), false).await;
    let second = signed_in(&chromedriver, &installation, ("Ada", "editor"), true).await;
    second.looks("dark", true).await;

    author.goto(&format!("{}/admin/desk", installation.url)).await;
    author.press("main form button").await;
    author.one("#subject").await.send_keys("The dam holds").await.unwrap();
    author.one("#body").await.send_keys("Everybody may go home.").await.unwrap();
    author.one("#link").await.send_keys("https://site.example.org/dam").await.unwrap();
    author.press(&format!("[name=topic][value={TOPIC}]")).await;
    author.press("[name=level][value=critical]").await;
    author.press("[data-save]").await;
    author.shows(".reach", "300 readers").await;
    let alone = author.driver.find_all(thirtyfour::By::Css("form[action$='/release']")).await.unwrap();
    assert!(alone.is_empty(), "who wrote it doesn't release it");
    author.press("form[action$='/ask'] button").await;
    author.shows("main", "grace@example.org asks for its release.").await;

    second.goto(&format!("{}/admin/desk", installation.url)).await;
    second.shows("main", "The dam holds").await;
    second.press("main a[href^='/admin/desk/']").await;
    second.shows(".notice", "grace@example.org asks for its release.").await;
    second.pictures("desk-second-person", "h1").await;
    second.looks("dark", true).await;
    second.one("#audience").await.send_keys("300").await.unwrap();
    second.press("form[action$='/release'] button").await;
    second.shows("[data-headline]", "Everybody has it").await;
    second.shows("[data-number=accepted]", "300").await;
    second.shows("[data-places=domains]", "example.com").await;
    assert_eq!(installation.mailbox.len(), 300);

    author.goto(second.driver.current_url().await.unwrap().as_str()).await;
    author.shows("[data-headline]", "Everybody has it").await;
    author.shows("[data-places=domains]", "300 accepted").await;
    author.shows("[data-reached]", "The first had it after").await;
    for browser in [author, second] {
        browser.driver.quit().await.unwrap();
    }
    drop(service);
}

/// A person's browser, behind the link that was made for them.
pub(super) async fn signed_in(
    chromedriver: &Path,
    installation: &Installation,
    (name, role): (&str, &str),
    scripts: bool,
) -> Browser {
    let email = format!("{}@example.org", name.to_lowercase());
    let create = ["user", "create", "--email", &email, "--name", name, "--role", role];
    let link = installation.bellwether(&create);
    let browser = Browser::start(chromedriver, scripts).await;
    comes_in(&browser, &link, name).await;
    browser
}

/// Behind the link that was made for them somebody chooses a password.
pub(super) async fn comes_in(browser: &Browser, link: &str, name: &str) {
    browser.goto(link.trim()).await;
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", &format!("Hello, {name}")).await;
}

/// On the page that asks for it, somebody without a second factor signs in.
pub(super) async fn signs_in(browser: &Browser, name: &str) {
    let email = format!("{}@example.org", name.to_lowercase());
    browser.one("#email").await.send_keys(email).await.unwrap();
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", &format!("Hello, {name}")).await;
}
