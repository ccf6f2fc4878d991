//! `bellwether demo` as a newcomer has it: the sample site's form in Chromium, with JavaScript off and on, through to
//! the mailbox. Leaves pictures of the pages in target/screenshots.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::{By, ChromeCapabilities, ChromiumLikeCapabilities, WebDriver, WebElement};

use super::{
    Process, asked, find,
    installation::{free_port, free_ports},
    leave_out, patience, until,
};
use crate::stage::program::Running;

const ADDRESS: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn the_form_leads_to_the_mailbox_without_javascript() {
    visit(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_leads_to_the_mailbox_with_javascript() {
    visit(true).await;
}

async fn visit(scripts: bool) {
    let what = format!("the demo in a browser, JavaScript {}", if scripts { "on" } else { "off" });
    let Some(chromedriver) = find("chromedriver", &what) else { return };
    let demo = Demo::start();
    let browser = Browser::start(&chromedriver, scripts).await;

    browser.goto(&demo.site).await;
    browser.pictures("site-form", "#signup").await;
    browser.one("#email").await.send_keys(ADDRESS).await.unwrap();
    browser.press("#signup button").await;
    browser.shows("h1", "Check your inbox").await;

    browser.goto(&demo.mailbox).await;
    browser.open_mail("Notice").await;
    browser.follow_in_mail("/confirm/").await;
    let page = browser.driver.current_url().await.unwrap();
    assert!(page.as_str().starts_with(&demo.service), "{page}");
    browser.pictures("confirm", "h1").await;
    browser.press("form[action^='/confirm/'] button").await;
    browser.shows("h1", "You’re in").await;

    browser.goto(&demo.mailbox).await;
    let mailbox = browser.driver.window().await.unwrap();
    let site = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(site).await.unwrap();
    browser.goto(&demo.site).await;
    browser.press("form[action='/publish'] button").await;
    browser.shows(".demo-notice", "is on the site and in the feed").await;
    let title = browser.one(".lead h2").await.text().await.unwrap();
    browser.driver.switch_to_window(mailbox).await.unwrap();
    browser.open_mail("Alert").await;
    browser.shows("h1", &title).await;
    browser.pictures("mailbox-alert", "h1").await;
    browser.press("[aria-label='Colours'] a:last-child").await;
    browser.arrives("scheme=dark").await;
    browser.pictures("mailbox-alert-in-dark", "h1").await;
    browser.follow_in_mail("/unsubscribe/").await;
    browser.press("form[action^='/unsubscribe/'] button").await;
    browser.shows("h1", "You’re unsubscribed").await;
    browser.driver.quit().await.unwrap();
}

/// The running demo, in a folder of its own.
struct Demo {
    site: String,
    mailbox: String,
    service: String,
    _running: Running,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["demo", "--fresh", "--port", &free_ports(3).to_string()];
        let running = Running::start(folder.path(), &arguments, "Ctrl-C ends the demo");
        let address = |name: &str| {
            let line = running.said.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
            url.trim_end_matches('/').to_owned()
        };
        let (site, mailbox, service) = (address("News site"), address("Mailbox"), address("Service"));
        Self { site, mailbox, service, _running: running, _folder: folder }
    }
}

/// Runs axe-core over the page and gives what breaks a rule: the rule, and where.
const AXE_RUN: &str = "
    const done = arguments[arguments.length - 1];
    const told = v => ({ rule: v.id, help: v.help, at: v.nodes.map(n => n.html + ' ' + (n.failureSummary || '')) });
    axe.run(document, { resultTypes: ['violations'] }).then(
        found => done(found.violations.map(told)), error => done([String(error)]));";

/// axe-core's script, which .ci/run puts into the target folder.
fn axe() -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/axe-core/package/axe.min.js");
    let script = std::fs::read_to_string(file);
    if script.is_err() {
        leave_out("the accessibility of pages", "axe-core is not in target/axe-core (.ci/run puts it there)");
    }
    script.ok()
}

fn screenshots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(super) struct Browser {
    pub driver: WebDriver,
    scripts: bool,
    // Behind the driver, which ends the browser when it is dropped.
    _chromedriver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn start(chromedriver: &Path, scripts: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new(chromedriver)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut wishes = ChromeCapabilities::new();
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1200,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            wishes.add_arg(argument).unwrap();
        }
        if !scripts {
            let blocked = json!({ "profile.managed_default_content_settings.javascript": 2 });
            wishes.add_experimental_option("prefs", blocked).unwrap();
        }
        let url = format!("http://127.0.0.1:{port}");
        let driver =
            until("Chromium to start", async || WebDriver::new(&url, wishes.clone()).await.ok()).await;
        Self { driver, scripts, _chromedriver: Process(process), _profile: profile }
    }

    pub async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// The first that there is, as soon as there is one. Of what is on the page before as well, wait for the next page first.
    pub async fn one(&self, selector: &str) -> WebElement {
        until(&format!("a {selector}"), async || self.driver.find(By::Css(selector)).await.ok()).await
    }

    /// Clicks on it; once more where the page replaced it after it was found.
    pub async fn press(&self, selector: &str) {
        until(&format!("{selector} to be clicked on"), async || {
            match self.one(selector).await.click().await {
                Err(error) if matches!(*error, WebDriverErrorInner::StaleElementReference(_)) => None,
                clicked => clicked.map(Some).unwrap(),
            }
        })
        .await;
    }

    /// Waits until the address of the page has `part` in it.
    pub async fn arrives(&self, part: &str) {
        until(&format!("an address with {part}"), async || {
            self.driver.current_url().await.ok()?.as_str().contains(part).then_some(())
        })
        .await;
    }

    /// Waits until an element has a text in it; where it never has, leaves a picture, and tells what the page says.
    pub async fn shows(&self, selector: &str, text: &str) {
        let shows = async || {
            let shown = self.driver.find(By::Css(selector)).await.ok()?.text().await.ok()?;
            shown.contains(text).then_some(())
        };
        if tokio::time::timeout(patience(), asked(shows)).await.is_err() {
            let page = self.driver.current_url().await.map_or_else(|error| error.to_string(), String::from);
            let says = self.driver.execute("return document.body.innerText", []).await;
            let says = says.map_or_else(|error| error.to_string(), |says| says.json().to_string());
            let _ = self.driver.screenshot(&screenshots().join("missing.png")).await;
            panic!("{selector} never showed {text:?}; {page} (missing.png) says {says}");
        }
    }

    /// Writes over what stands in a field.
    pub async fn writes(&self, selector: &str, text: &str) {
        let field = self.one(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What stands in a field.
    pub async fn value(&self, selector: &str) -> String {
        self.one(selector).await.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Takes the network away from the browser, or gives it back.
    pub async fn is_offline(&self, offline: bool) {
        self.tell("Network.enable", &json!({})).await;
        let network =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.tell("Network.emulateNetworkConditions", &network).await;
    }

    /// Opens the newest mail of a kind, on the mailbox's list, as soon as it is there. The list follows by itself;
    /// without JavaScript it is reloaded.
    pub async fn open_mail(&self, kind: &str) {
        let path = format!("//ol[contains(@class, 'mails')]//a[span[1][text()='{kind}']]");
        until(&format!("a mail of the kind {kind}"), async || {
            if !self.scripts {
                self.driver.refresh().await.unwrap();
            }
            // The list may be replaced between the two calls.
            self.driver.find(By::XPath(&path)).await.ok()?.click().await.ok()
        })
        .await;
        let time =
            self.one(if self.scripts { "article.letter time[title]" } else { "article.letter time" }).await;
        assert_eq!(time.attr("title").await.unwrap().is_some(), self.scripts, "a script adds it");
    }

    /// Clicks on the link in the shown mail that has `part` in it, which opens a tab, and goes there.
    pub async fn follow_in_mail(&self, part: &str) {
        let before = self.driver.windows().await.unwrap();
        self.one("iframe").await.enter_frame().await.unwrap();
        self.press(&format!("a[href*='{part}']")).await;
        let tab = until("a tab to open", async || {
            let windows = self.driver.windows().await.unwrap();
            windows.into_iter().find(|window| !before.contains(window))
        })
        .await;
        self.driver.switch_to_window(tab).await.unwrap();
    }

    /// Pictures of the page from `selector` on, as it is in light and dark and on a phone.
    pub async fn pictures(&self, name: &str, selector: &str) {
        let folder = screenshots();
        let scripts = if self.scripts { "" } else { "-without-javascript" };
        for (look, scheme, phone) in
            [("light", "light", false), ("dark", "dark", false), ("phone", "light", true)]
        {
            self.looks(scheme, phone).await;
            self.one(selector).await.scroll_into_view().await.unwrap();
            let file = folder.join(format!("{name}-{look}{scripts}.png"));
            self.driver.screenshot(&file).await.unwrap();
            if self.scripts {
                self.is_accessible(&format!("{name}, {look}")).await;
            }
        }
        self.tell("Emulation.clearDeviceMetricsOverride", &json!({})).await;
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": [] })).await;
    }

    /// The shown page breaks no rule of axe-core; left out where that is not installed.
    pub async fn is_accessible(&self, page: &str) {
        let Some(axe) = axe() else { return };
        self.driver.execute(axe, []).await.unwrap();
        let found = self.driver.execute_async(AXE_RUN, []).await.unwrap().json().clone();
        assert_eq!(found, json!([]), "{page}: {found:#}");
    }

    /// The addresses that the shown page links to.
    pub async fn links(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('a[href]:not([download])')].map(a => a.href)";
        self.driver.execute(script, []).await.unwrap().convert().unwrap()
    }

    /// Shows the page as somebody has it whose system is set to `scheme`, light or dark, and on a phone where that is so.
    pub async fn looks(&self, scheme: &str, phone: bool) {
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tell("Emulation.setEmulatedMedia", &scheme).await;
        if phone {
            let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
            self.tell("Emulation.setDeviceMetricsOverride", &phone).await;
        } else {
            self.tell("Emulation.clearDeviceMetricsOverride", &json!({})).await;
        }
    }

    /// A command of the DevTools protocol.
    async fn tell(&self, command: &str, parameters: &serde_json::Value) {
        self.driver.cdp().send_raw(command, parameters.clone()).await.unwrap();
    }
}
