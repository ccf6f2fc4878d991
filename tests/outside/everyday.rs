//! The newsroom's other days in Chromium: an issue is paused and goes on, a newsletter goes out at its time and stands in the
//! archive, sources are edited, lists come in and go out, and a reader is told about and erased.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwether::clock::Clock;
use serde_json::json;

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

/// A number as the page shows it.
async fn number(browser: &Browser, name: &str) -> usize {
    let text = browser.one(&format!("[data-number={name}]")).await.text().await.unwrap();
    text.replace(',', "").parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_alert_reaches_nobody_more_and_everybody_once_when_it_goes_on() {
    let Some(chromedriver) = find("chromedriver", "a pause in a browser") else { return };
    let readers = 2_000;
    let installation = Installation::new(Backend::Sqlite, 10, "").await;
    // Slow enough that there is time to pause it.
    let slow = "connections = 10\nrate = 100";
    installation.edit_config("connections = 10", slow);
    installation.import((0..readers).map(|n| format!("reader{n}@example.com")));
    let service = installation.serve().await;
    let browser = signed_in(&chromedriver, &installation, ("Ada", "editor"), true).await;
    let alert = json!({ "subject": "The ferry waits", "markdown": "Until noon.", "url": "https://site.example.org/ferry", "topics": [TOPIC], "level": "all" });
    let (status, published) = installation.api("/api/v1/alerts", Some("ferry"), &alert).await;
    assert_eq!(status, 202, "{published}");
    let issue = published["id"].as_str().unwrap().to_owned();

    browser.goto(&format!("{}/admin/live/{issue}", installation.url)).await;
    until("a part to have it", async || (number(&browser, "accepted").await > 200).then_some(())).await;
    browser.press("[data-pause] button").await;
    browser.shows("[data-headline]", "Paused. Nobody more gets it.").await;
    until("what had begun to end", async || {
        let issue = installation.issue(&issue).await?;
        issue["counts"].as_object()?.get("sending").is_none_or(|count| *count == 0).then_some(())
    })
    .await;
    let had = installation.mailbox.len();
    assert!(had < readers, "{had} of {readers}");
    browser.pictures("newsroom-paused", "h1").await;
    // Other mail passes it by meanwhile.
    let draft = json!({ "subject": "The bridge", "markdown": "It stands.", "topics": [TOPIC] });
    let draft = until("a draft to be made", async || {
        // A machine that is busy may say so first.
        let (status, made) = installation.api("/api/v1/drafts", Some("bridge"), &draft).await;
        assert!(status == 201 || status == 503, "{status}: {made}");
        (status == 201).then_some(made)
    })
    .await;
    browser.goto(&format!("{}/admin/desk/{}", installation.url, draft["id"].as_str().unwrap())).await;
    browser.press("form[action$='/test'] button").await;
    browser.shows(".notice", "A test is on its way to you").await;
    until("a test to pass", async || (!installation.mailbox.to("ada@example.org").is_empty()).then_some(()))
        .await;
    assert_eq!(installation.mailbox.len(), had + 1, "nobody had the alert while it was paused");

    assert_eq!(service.terminate().await.code(), Some(0));
    installation.edit_config(slow, "connections = 10");
    let service = installation.serve().await;
    browser.goto(&format!("{}/admin/live/{issue}", installation.url)).await;
    browser.shows("[data-headline]", "Paused. Nobody more gets it.").await;
    browser.looks("dark", true).await;
    browser.press("[data-resume] button").await;
    browser.shows(".notice", "It goes on").await;
    browser.shows("[data-headline]", "Everybody has it.").await;
    browser.shows("[data-number=accepted]", "2,000").await;
    assert_eq!(installation.mailbox.len(), readers + 1);
    let once = (0..readers).all(|n| installation.mailbox.to(&format!("reader{n}@example.com")).len() == 1);
    assert!(once, "each has it once");
    browser.driver.quit().await.unwrap();
    drop(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newsletter_is_seen_while_it_is_written_goes_out_at_its_time_and_stands_in_the_archive() {
    let Some(chromedriver) = find("chromedriver", "a newsletter in a browser") else { return };
    let installation = Installation::new(Backend::Sqlite, 4, HOLD).await;
    installation.edit_config(&format!("slug = \"{TOPIC}\""), &format!("slug = \"{TOPIC}\"\npublic = true"));
    installation.import((0..40).map(|n| format!("reader{n}@example.com")));
    let clock = Shift::new(installation.folder());
    let service = installation.serve_by(&clock).await;
    let browser = signed_in(&chromedriver, &installation, ("Grace", "editor"), true).await;
    browser.looks("light", true).await;
    browser.goto(&format!("{}/admin/desk", installation.url)).await;
    browser.press("main form button[name=kind]").await;
    browser.one("#subject").await.send_keys("Our week on the river").await.unwrap();
    let body = "## The bridge\n\nIt **stands**.\n\n- the ferry\n- the dam\n\n[Read on](https://site.example.org/week)";
    browser.one("#body").await.send_keys(body).await.unwrap();
    browser.press("[name=topic]").await;
    browser.shows("[data-saved]", "Saved").await;
    // The mail beside it follows.
    until("the heading in the mail", async || {
        browser.one("iframe[data-mail]").await.enter_frame().await.ok()?;
        let heading = browser.driver.find(thirtyfour::By::Css("h2")).await;
        let text = match heading {
            Ok(heading) => heading.text().await.ok(),
            Err(_) => None,
        };
        browser.driver.enter_default_frame().await.ok()?;
        text.filter(|text| text == "The bridge").map(drop)
    })
    .await;

    let zone = browser.one("#timezone").await;
    zone.clear().await.unwrap();
    zone.send_keys("UTC").await.unwrap();
    browser.press("form[data-desk] summary").await;
    browser.press("#public option[value=yes]").await;
    browser.shows(".reach", "40 readers would get it").await;
    browser.pictures("newsletter", "h1").await;
    let later = HOLDS + Duration::from_secs(200);
    let at = Clock::System.now().plus(later).to_jiff();
    let at = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    // A picker of minutes would wait for the next one.
    let set = "const [at] = arguments, it = document.querySelector('#send_at'); it.step = 1; it.value = at; \
               it.dispatchEvent(new Event('input', { bubbles: true }));";
    browser.driver.execute(set, vec![json!(at)]).await.unwrap();
    browser.shows("[data-goes]", "It goes out on").await;
    browser.one("#audience").await.send_keys("40").await.unwrap();
    browser.press("form[action$='/release'] button").await;
    browser.shows("[data-held]", "Nobody has it yet").await;
    let links = browser.driver.find(thirtyfour::By::Css("[data-links]")).await.unwrap();
    assert!(!links.is_displayed().await.unwrap(), "what leads nowhere yet isn't shown");
    assert_eq!(installation.mailbox.len(), 0);
    clock.by(later);
    browser.shows("[data-headline]", "Everybody has it.").await;
    assert_eq!(installation.mailbox.len(), 40);
    assert!(links.is_displayed().await.unwrap());

    browser.goto(&format!("{}/archive", installation.url)).await;
    browser.shows("main", "Our week on the river").await;
    browser.pictures("archive-with-a-newsletter", "h1").await;
    browser.press(".archive h2 a").await;
    browser.shows("main", "the dam").await;
    let (status, atom) = installation.get(&format!("{}/archive/feed.atom", installation.url)).await;
    assert!(status == 200 && atom.contains("<title>Our week on the river</title>"), "{atom}");
    browser.driver.quit().await.unwrap();
    drop(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_makes_a_topic_a_feed_and_a_schedule_and_asks_what_would_go_out() {
    let Some(chromedriver) = find("chromedriver", "sources in a browser") else { return };
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    std::fs::write(installation.folder().join("weekly.csv"), "email\nada@example.com\neve@example.com\n")
        .unwrap();
    let weekly = ["--topic", TOPIC, "--digest", "weekly", "--confirmed"];
    installation.bellwether(&[&["subscribers", "import", "weekly.csv"], &weekly[..]].concat());
    let service = installation.serve().await;
    let post = json!({ "guid": "a", "title": "Turnout is high", "url": "https://site.example.org/a", "topics": [TOPIC] });
    let (status, received) = installation.api("/api/v1/posts", None, &post).await;
    assert!(status < 300, "{received}");
    let browser = signed_in(&chromedriver, &installation, ("Ada", "owner"), true).await;
    let sources = format!("{}/admin/sources", installation.url);

    browser.goto(&sources).await;
    browser.press("a[href='/admin/sources/topics']").await;
    browser.one("#name").await.send_keys("City hall").await.unwrap();
    browser.one("#slug").await.send_keys("City Hall!").await.unwrap();
    browser.press("main form button").await;
    browser.shows("#slug-fault", "").await;
    browser.pictures("source-with-a-fault", "h1").await;
    let slug = browser.one("#slug").await;
    slug.clear().await.unwrap();
    slug.send_keys("city-hall").await.unwrap();
    browser.press("main form button").await;
    browser.shows(".notice", "Saved").await;
    browser.goto(&sources).await;
    browser.shows("[aria-label=Topics]", "City hall").await;

    browser.press("a[href='/admin/sources/feeds']").await;
    browser.one("#url").await.send_keys("https://site.example.org/city/feed/").await.unwrap();
    browser.press("#topic option[value=city-hall]").await;
    browser.press("main form button").await;
    browser.shows(".notice", "mailed to nobody").await;
    browser.goto(&sources).await;
    browser.shows("[aria-label=Feeds]", "https://site.example.org/city/feed/").await;

    // The usual weekly schedule makes way for one of one's own, on Sundays of the month in which the clocks go forward.
    browser.press("a[href='/admin/sources/schedules/2'], a[href$='/weekly']").await;
    let cron = browser.one("#cron").await;
    cron.clear().await.unwrap();
    cron.send_keys("30 2 * 3 SUN").await.unwrap();
    let zone = browser.one("#timezone").await;
    zone.clear().await.unwrap();
    zone.send_keys("America/New_York").await.unwrap();
    browser.press("form[action^='/admin/sources/schedules/'] button").await;
    browser.shows(".notice", "Saved").await;
    let page = browser.driver.current_url().await.unwrap();
    let times = browser.driver.find_all(thirtyfour::By::Css(".times > li")).await.unwrap();
    assert_eq!(times.len(), 10, "the next ten");
    browser.shows(".times .marked", "the clocks go forward on this day").await;
    // 2:30 is skipped: it runs at the end of the gap.
    browser.shows(".times .marked", "07:00 UTC").await;
    browser.pictures("schedule", "h1").await;

    let at = Clock::System.now().plus(Duration::from_secs(3_600)).to_jiff();
    let at = at.strftime("%Y-%m-%dT%H:%M").to_string();
    browser.goto(&format!("{}?at={at}", page.as_str().split('?').next().unwrap())).await;
    browser.shows("#foreseen .answer", "2 readers would get it").await;
    browser.shows("#foreseen .answer", "Turnout is high").await;
    browser.pictures("foreseen", "#foreseen").await;
    browser.driver.quit().await.unwrap();
    drop(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_in_by_its_columns_and_goes_out_and_a_reader_is_told_about_and_erased() {
    let Some(chromedriver) = find("chromedriver", "lists in a browser") else { return };
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    let rows: String = (0..200).map(|n| format!("Reader {n},reader{n}@example.com,yes\n")).collect();
    let list = format!("Who,Post box,Wants it\n{rows}Nobody,no address,yes\n");
    let file = installation.folder().join("list.csv");
    std::fs::write(&file, list).unwrap();
    let service = installation.serve().await;
    let browser = signed_in(&chromedriver, &installation, ("Ada", "owner"), true).await;

    browser.goto(&format!("{}/admin/subscribers/import", installation.url)).await;
    browser.one("#file").await.send_keys(file.to_str().unwrap()).await.unwrap();
    browser.one("#source").await.send_keys("double opt-in at the old tool").await.unwrap();
    browser.press("form[enctype] button[type=submit]").await;
    browser.shows("#columns", "list.csv").await;
    browser.pictures("import-columns", "h1").await;
    browser.press("#column-1 option[value=email]").await;
    browser.press("[aria-labelledby=columns] button").await;
    browser.shows("#report", "If you import list.csv").await;
    browser.shows("[aria-labelledby=report]", "200").await;
    browser.shows("[aria-labelledby=report]", "would be added").await;
    browser.pictures("import-dry-run", "h1").await;
    assert_eq!(
        installation.read("/api/v1/subscribers").await["subscribers"],
        json!([]),
        "nothing is changed yet"
    );
    browser.press("[name=agreed]").await;
    browser.press("[aria-labelledby=report] button").await;
    browser.shows("#report", "Imported").await;
    browser.pictures("imported", "h1").await;

    browser.goto(&format!("{}/admin/subscribers", installation.url)).await;
    browser.shows("h1", "200 active").await;
    let download = "const done = arguments[arguments.length - 1], form = document.querySelector(\"form[action$='/export']\");
        fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) }).then(it => it.text()).then(done, it => done(String(it)))";
    let csv: String = browser.driver.execute_async(download, []).await.unwrap().convert().unwrap();
    let addresses: BTreeSet<_> = csv.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
    assert_eq!(addresses.len(), 200, "{csv}");

    browser.one("[type=search]").await.send_keys("reader7@").await.unwrap();
    browser.press(".search button").await;
    browser.arrives("reader7").await;
    browser.press("a.row[href^='/admin/subscribers/']").await;
    browser.shows("h1", "reader7@example.com").await;
    browser.shows("main", "Imported").await;
    browser.press("form[action$='/suppress'] button").await;
    browser.shows(".notice", "Nothing more is mailed to them").await;
    browser.pictures("reader-suppressed", "h1").await;
    let reader = browser.driver.current_url().await.unwrap();
    browser.press("summary").await;
    browser.one("#address").await.send_keys("reader7@example.com").await.unwrap();
    browser.press("form[action$='/erase'] button").await;
    browser.shows(".notice", "Erased, everywhere").await;
    browser.goto(reader.as_str().split('?').next().unwrap()).await;
    browser.shows("h1", "There is no such page").await;
    browser.goto(&format!("{}/admin/audit", installation.url)).await;
    browser.shows(".log", "erased a reader who is erased for good").await;
    browser.pictures("changes", "h1").await;
    browser.driver.quit().await.unwrap();
    drop(service);
}
