//! The newsroom in Chromium, from the link that the service prints: whether a real browser sends what the gate wants to
//! see, and keeps the cookie. Leaves pictures of the pages in target/screenshots.

use bellwether::clock::Clock;
use bellwether::domain::totp;

use super::{browser::Browser, find, installation::free_port};
use crate::stage::program::Running;

const PASSWORD: &str = "a quiet ferry at noon";
const CODE: &str = "form[action='/admin/account/codes/confirm'] ";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_owner_comes_in_with_two_factors_and_invites_an_editor() {
    let Some(chromedriver) = find("chromedriver", "the newsroom in a browser") else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--fresh", "--port", &free_port().to_string()];
    let demo = Running::start(folder.path(), &arguments, "/admin/link/");
    let url = |part: &str| demo.said.split_whitespace().rfind(|word| word.contains(part)).unwrap().to_owned();
    let link = url("/admin/link/");
    let service = link.split("/admin/").next().unwrap().to_owned();
    let mailbox = demo.said.lines().find(|line| line.trim_start().starts_with("Mailbox")).unwrap();
    let mailbox = mailbox.split_whitespace().nth(1).unwrap();
    let browser = Browser::start(&chromedriver, false).await;

    browser.goto(&link).await;
    browser.pictures("newsroom-first-owner", "h1").await;
    for (field, text) in [("#email", "ada@example.org"), ("#name", "Ada Lovelace"), ("#password", PASSWORD)] {
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
    browser.one("#name").await.send_keys("Grace Hopper").await.unwrap();
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

/// The bytes that an authenticator app reads (RFC 4648, section 6).
fn from_base32(text: &str) -> Vec<u8> {
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
