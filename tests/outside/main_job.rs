//! The main job, end to end: a visitor signs up, confirms, gets the alert about a new post and later the digest, and
//! leaves with one click.

use bellwether::cli::demo::mailbox::letter::Letter;

use super::installation::{Installation, link_to};
use super::site::Site;
use crate::stage::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn from_the_form_to_the_alert_the_digest_and_out_again_on_sqlite() {
    main_job(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_form_to_the_alert_the_digest_and_out_again_on_postgres() {
    if Backend::Postgres.is_here() {
        main_job(Backend::Postgres).await;
    }
}

async fn main_job(backend: Backend) {
    let site = Site::open().await;
    let installation = Installation::new(
        backend,
        2,
        &format!(
            r#"
            [fetching]
            allow_networks = ["127.0.0.0/8"]
            [[feeds]]
            url = "{}/feed/"
            topic = "election-alerts"
            every = "1s"
            alert = true
            [[schedules]]
            digest = "daily"
            cron = "*/5 * * * * *"
            "#,
            site.url()
        ),
    )
    .await;
    let service = installation.serve().await;
    site.read_through().await;

    installation.subscribe("ada@example.com", site.url()).await;
    installation.subscribe("bea@example.com", site.url()).await;

    site.publish(2, "Marlow County votes until ten", "<p>A judge has <b>ordered</b> it.</p>");
    let alert = installation.mail("ada@example.com", "alert", |_| true).await;
    assert_eq!(alert.from, "desk@example.org");
    assert_eq!(alert.to, ["ada@example.com"]);
    check_alert(&installation, &Letter::read(&alert), &site.post_url(2)).await;

    let digest = Letter::read(&*installation.mail("ada@example.com", "digest", |_| true).await);
    let text = digest.text.as_deref().unwrap();
    let listed =
        text.split_once("You already had").map(|(_, listed)| listed).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(link_to(listed, &site.post_url(2)), site.post_url(2));
    assert!(!text.contains("The ballots are printed"), "what was there before us is never mailed: {text}");

    let (unsubscribe, one_click) = digest.unsubscribe().unwrap();
    assert!(one_click);
    let page = installation.post_form(unsubscribe, "null", &[("List-Unsubscribe", "One-Click")]).await;
    assert_eq!(page.0, 200, "{}", page.1);
    let before = installation.mailbox.to("ada@example.com").len();

    site.publish(3, "Counting has begun", "<p>In all precincts.</p>");
    let third = |letter: &Letter| letter.text.as_deref().is_some_and(|text| text.contains(&site.post_url(3)));
    installation.mail("bea@example.com", "alert", third).await;
    installation.mail("bea@example.com", "digest", third).await;
    assert_eq!(installation.mailbox.to("ada@example.com").len(), before, "who left gets nothing more");
    let alerts = |to: &str| {
        let kinds = installation.mailbox.to(to).into_iter().map(|mail| Letter::read(&mail).kind);
        kinds.filter(|kind| kind == "alert").count()
    };
    assert_eq!((alerts("ada@example.com"), alerts("bea@example.com")), (1, 2), "each post once");

    assert_eq!(service.panic(), None);
    assert_eq!(service.terminate().await.code(), Some(0));
}

async fn check_alert(installation: &Installation, letter: &Letter, post_url: &str) {
    assert_eq!(letter.subject, "Marlow County votes until ten");
    let (text, html) = (letter.text.as_deref().unwrap(), letter.html.as_deref().unwrap());
    assert!(text.contains("A judge has ordered it."), "{text}");
    assert!(html.contains("A judge has ordered it."), "{html}");
    assert_eq!(link_to(text, post_url), post_url);
    assert!(html.contains(post_url), "{html}");
    for part in [text, html] {
        assert!(part.contains("1 Market Street"), "the postal address stands below: {part}");
    }
    let expected = [
        ("From", "Election Desk <desk@example.org>"),
        ("To", "ada@example.com"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Precedence", "bulk"),
        ("MIME-Version", "1.0"),
    ];
    for (name, value) in expected {
        assert_eq!(letter.header(name), Some(value), "{name}");
    }
    for name in ["Date", "Message-ID", "List-Id", "Feedback-ID"] {
        assert!(letter.header(name).is_some_and(|value| !value.is_empty()), "{name} is missing");
    }
    let (unsubscribe, _) = letter.unsubscribe().unwrap();
    assert!(unsubscribe.starts_with(&format!("{}/unsubscribe/", installation.url)));
    for link in [
        unsubscribe.to_owned(),
        link_to(text, &format!("{}/unsubscribe/", installation.url)),
        link_to(text, &format!("{}/preferences/", installation.url)),
    ] {
        let (status, page) = installation.get(&link).await;
        assert_eq!(status, 200, "{link}: {page}");
    }
}
