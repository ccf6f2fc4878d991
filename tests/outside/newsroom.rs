//! The newsroom in Chromium, from the link that the service prints: whether a real browser sends what the gate wants to
//! see, and keeps the cookie. Leaves pictures of the pages in target/screenshots.

use std::time::Duration;

use bellwether::clock::Clock;
use bellwether::domain::totp;

use super::{
    browser::Browser,
    find,
    installation::{Installation, free_ports},
    shift::Shift,
};
use crate::stage::{Backend, program::Running};

pub(super) const PASSWORD: &str = "a quiet ferry at noon";
const CODE: &str = "form[action='/admin/account/codes/confirm'] ";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_comes_in_with_two_factors_and_invites_an_editor() {
    let Some(chromedriver) = find("chromedriver", "the newsroom in a browser") else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--fresh", "--port", &free_ports(3).to_string()];
    let demo = Running::start(folder.path(), &arguments, "/admin/link/");
    let url = |part: &str| demo.said.split_whitespace().rfind(|word| word.contains(part)).unwrap().to_owned();
    let link = url("/admin/link/");
    let service = link.split("/admin/").next().unwrap().to_owned();
    let mailbox = demo.said.lines().find(|line| line.trim_start().starts_with("Mailbox")).unwrap();
    let mailbox = mailbox.split_whitespace().nth(1).unwrap();
    let browser = Browser::start(&chromedriver, false).await;

    browser.goto(&link).await;
    browser.pictures("newsroom-first-owner", "h1").await;
    for (field, text) in [("#email", "ada@example.org"), ("#name", "Ada Field"), ("#password", PASSWORD)] {
        browser.one(field).await.send_keys(text).await.unwrap();
    }
    browser.press("main button").await;
    browser.shows("h1", "Hello, Ada").await;
    browser.pictures("newsroom-overview", "h1").await;

    browser.goto(&format!("{service}/admin/account/codes")).await;
    browser.press("form[action$='/begin'] button").await;
    browser.press("summary").await;
    browser.pictures("newsroom-second-factor", "h1").await;
    let secret = browser.one("code.secret").await.text().await.unwrap();
    let code = totp::code_at(&from_base32(&secret), Clock::System.now());
    browser.one("#code").await.send_keys(code).await.unwrap();
    browser.press(&format!("{CODE}button")).await;
    browser.shows("h1", "It is on").await;
    let recovery = browser.one(".paper li").await.text().await.unwrap();

    browser.press(".me button").await;
    browser.shows(".notice", "You are signed out").await;
    browser.one("#email").await.send_keys("ada@example.org").await.unwrap();
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", "Your code").await;
    browser.pictures("newsroom-code", "h1").await;
    browser.one("#code").await.send_keys(recovery).await.unwrap();
    browser.press("form[action='/admin/login/code'] button").await;
    browser.shows("h1", "Hello, Ada").await;

    browser.goto(&format!("{service}/admin/users")).await;
    browser.one("#name").await.send_keys("Grace Moss").await.unwrap();
    browser.one("#email").await.send_keys("grace@example.org").await.unwrap();
    browser.press("form[action='/admin/users'] button").await;
    browser.shows(".notice", "Invited").await;
    browser.pictures("newsroom-people", "h1").await;
    browser.goto(mailbox).await;
    browser.open_mail("Notice").await;
    browser.follow_in_mail("/admin/link/").await;
    browser.shows("h1", "Welcome to the newsroom").await;
    browser.one("#password").await.send_keys("an orchard in the rain").await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", "Hello, Grace").await;
    browser.driver.quit().await.unwrap();
}

/// A hold that is longer than any story needs for what it does within; its end is made by [`Shift`].
pub(super) const HOLD: &str = "[newsroom]\nhold = \"5m\"";
pub(super) const HOLDS: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_on_a_phone_releases_undoes_releases_again_and_corrects() {
    let Some(chromedriver) = find("chromedriver", "the desk in a browser") else { return };
    let installation = Installation::new(Backend::Sqlite, 10, HOLD).await;
    installation.import((0..2_000).map(|n| format!("reader{n}@example.com")));
    let kim = ["user", "create", "--email", "kim@example.org", "--name", "Kim", "--role", "editor"];
    let link = installation.bellwether(&kim);
    let clock = Shift::new(installation.folder());
    let service = installation.serve_by(&clock).await;
    let browser = Browser::start(&chromedriver, true).await;
    browser.goto(link.trim()).await;
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", "Hello, Kim").await;

    browser.goto(&format!("{}/admin/desk", installation.url)).await;
    browser.pictures("newsroom-desk-empty", "h1").await;
    browser.press("main form button").await;
    browser.shows(".warnings", "It has no subject").await;
    browser.one("#subject").await.send_keys("The harbour is closed").await.unwrap();
    browser.one("#body").await.send_keys("Ferries wait until **noon**.").await.unwrap();
    browser.one("#link").await.send_keys("https://site.example.org/harbour").await.unwrap();
    browser.press("[name=topic]").await;
    browser.shows("[data-saved]", "Saved").await;
    browser.shows(".reach", "2,000 readers").await;
    browser.pictures("newsroom-desk", "h1").await;

    browser.one("#audience").await.send_keys("2000").await.unwrap();
    browser.press("form[action$='/release'] button").await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    browser.pictures("newsroom-held", "h1").await;
    browser.press("form[action$='/undo'] button").await;
    browser.shows(".notice", "Undone. Nobody got it.").await;

    browser.one("#audience").await.send_keys("2,000").await.unwrap();
    browser.press("form[action$='/release'] button").await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    clock.by(HOLDS);
    browser.shows("[data-headline]", "Everybody has it").await;
    browser.shows("[data-number=accepted]", "2,000").await;
    browser.pictures("newsroom-sent", "h1").await;
    assert_eq!(installation.mailbox.to("reader7@example.com").len(), 1);

    browser.press("summary").await;
    browser.one("#subject").await.send_keys("The harbour is open").await.unwrap();
    browser.one("#body").await.send_keys("It was never closed.").await.unwrap();
    browser.press("form[action$='/correct'] button").await;
    browser.shows("h1", "Correction: The harbour is open").await;
    browser.shows("[data-headline]", "Everybody has it").await;
    assert_eq!(installation.mailbox.to("reader7@example.com").len(), 2);
    browser.driver.quit().await.unwrap();
    drop(service);
}

/// The bytes that an authenticator app reads (RFC 4648, section 6).
pub(super) fn from_base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0u32, 0);
    for digit in text.chars().filter(|c| !c.is_whitespace()) {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(digit).unwrap() as u32;
        (buffer, bits) = (buffer << 5 | value, bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    bytes
}
