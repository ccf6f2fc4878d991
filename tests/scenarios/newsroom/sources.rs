//! Topics, feeds and schedules that the newsroom makes beside those of config.toml.

use bellwether::domain::subscription::Digest;
use bellwether::store;

use crate::stage::{Logs, Page, Post, Setup, Site, Span, Stage, both};

const ADA: &str = "ada@example.org";

/// The number of the schedule or feed behind an address that a page was led to.
fn number(page: &Page) -> String {
    let location = page.header("location");
    location.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned()
}

async fn schedule(stage: &Stage, name: &str) -> store::schedules::Schedule {
    let mut tx = stage.cx.db.read().await.unwrap();
    let all = store::schedules::ever(&mut tx).await.unwrap();
    all.into_iter().find(|schedule| schedule.name == name).unwrap()
}

async fn feed(stage: &Stage, url: &str) -> store::feeds::Feed {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::feeds::ever(&mut tx).await.unwrap().into_iter().find(|feed| feed.url == url).unwrap()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

both! {
    async fn a_topic_made_in_the_newsroom_is_offered_and_published_on_at_once(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let made = ada.fills_in("/admin/sources/topics", "slug=harbour&name=Harbour+news&description=Ships").await;
        assert_eq!(made.header("location"), "/admin/sources?done=saved", "{}", made.body);
        stage.open("/").await.says("Harbour news");
        stage.reader_of("bob@example.org", "topics=harbour").await;
        assert_eq!(stage.changes().await.last().unwrap(), "ada@example.org: topic made topic harbour");
        let page = ada.opens("/admin/sources").await;
        page.says("1 reader<");
        page.says("<span class=\"tag\">config.toml</span>");
        let again = ada.fills_in("/admin/sources/topics", "slug=harbour&name=Other").await;
        assert_eq!(again.status, 422);
        again.says("It is another topic&#39;s already, or a retired one&#39;s.");
        let page = "/admin/sources/topics/harbour";
        assert_eq!(ada.fills_in(page, "name=The+harbour&description=&public=true").await.status, 303);
        stage.open("/").await.says("The harbour");
        stage.open("/").await.says("href=\"/archive\"");
    }

    async fn a_retired_topic_is_on_no_form_and_its_readers_keep_it(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        ada.fills_in("/admin/sources/topics", "slug=harbour&name=Harbour").await;
        stage.reader_of("bob@example.org", "topics=harbour&topics=election-alerts&alerts=true&digest=daily").await;
        let link = { stage.alert("Polls close").sent().await; stage.newest("bob@example.org").link("preferences") };
        let page = "/admin/sources/topics/harbour";
        assert_eq!(ada.sends(page, &format!("{page}/retire"), "").await.status, 303);
        assert!(!stage.open("/").await.body.contains("Harbour"));
        let refused = stage.visitor().asks("email=eve%40example.org&topics=harbour").await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        // Wishes that are saved meanwhile hold for it too, and don't take it away.
        let saved = stage.fills_in(&link, "topics=election-alerts&alerts=false&digest=weekly").await;
        assert_eq!(saved.status, 200, "{}", saved.body);
        ada.sends(page, &format!("{page}/restore"), "").await;
        let mut tx = stage.cx.db.read().await.unwrap();
        let rows = store::subscribers::readers(&mut tx, 0, i64::MAX).await.unwrap();
        drop(tx);
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| !row.alerts && row.digest == Digest::Weekly), "{rows:?}");
        assert!(stage.open("/").await.body.contains("Harbour"));
        let changes = stage.changes().await;
        assert!(changes.contains(&"ada@example.org: topic retired topic harbour".to_owned()));
        assert_eq!(changes.last().unwrap(), "ada@example.org: topic restored topic harbour");
    }

    async fn what_stands_in_the_file_is_shown_so_and_changed_there(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let page = "/admin/sources/topics/election-alerts";
        ada.opens(page).await.says("It stands in config.toml.");
        for action in [page.to_owned(), format!("{page}/retire")] {
            let refused = ada.sends("/admin/sources/topics", &action, "name=Ours").await;
            assert_eq!(refused.status, 422, "{action}");
            refused.says("change it there");
        }
        stage.open("/").await.says("Election alerts");
        assert!(stage.changes().await.iter().all(|change| !change.contains("topic")));
    }

    async fn a_name_that_the_file_gets_later_is_the_files(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        ada.fills_in("/admin/sources/topics", "slug=harbour&name=Ours").await;
        ada.fills_in("/admin/sources/topics", "slug=culture&name=Culture").await;
        let page = "/admin/sources/topics/harbour";
        ada.sends(page, &format!("{page}/retire"), "").await;
        drop(ada);
        let stage = stage.restarted_with(|setup| setup.topic("harbour", "Harbour of the file")).await;
        stage.open("/").await.says("Harbour of the file");
        stage.open("/").await.says("Culture");
        let mut ada = stage.browser("ada");
        ada.signs_in(crate::stage::PASSWORD).await;
        ada.opens(page).await.says("It stands in config.toml.");
    }

    async fn a_feed_made_in_the_newsroom_is_read_without_a_restart(stage: Stage) {
        let site = Site::opens().await;
        site.publishes(Post::titled("Before us"));
        stage.reader(ADA).await;
        let mut ada = stage.owner("ada").await;
        let fields = format!("url={}&topic=election-alerts&every=5m&alert=true", encoded(&site.feed_url()));
        let made = ada.fills_in("/admin/sources/feeds", &fields).await;
        assert_eq!(made.header("location"), "/admin/sources?done=feed-made", "{}", made.body);
        stage.settle().await;
        assert!(stage.subjects(ADA).is_empty(), "what was there is the baseline");
        site.publishes(Post::titled("Polls close"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close"]);
        ada.opens("/admin/sources").await.says("a new post is an alert at once");

        let id = feed(&stage, &site.feed_url()).await.id;
        let page = format!("/admin/sources/feeds/{id}");
        let quiet = fields.replace("&alert=true", "").replace("5m", "1m");
        assert_eq!(ada.fills_in(&page, &quiet).await.status, 303);
        site.publishes(Post::titled("Counting begins"));
        stage.advance(1.minutes()).await;
        assert_eq!(stage.subjects(ADA).len(), 1, "its posts are no alerts any more");

        ada.sends(&page, &format!("{page}/retire"), "").await;
        site.publishes(Post::titled("Counting goes on"));
        stage.advance(10.minutes()).await;
        let mut tx = stage.cx.db.read().await.unwrap();
        assert_eq!(store::posts::newest(&mut tx, 9).await.unwrap().len(), 3, "a retired feed isn't read");
        drop(tx);
        ada.sends(&page, &format!("{page}/restore"), "").await;
        stage.settle().await;
        let mut tx = stage.cx.db.read().await.unwrap();
        assert_eq!(store::posts::newest(&mut tx, 9).await.unwrap().len(), 4, "it goes on where it stopped");
        drop(tx);
        let changes = stage.changes().await;
        assert!(changes.iter().any(|change| change.starts_with("ada@example.org: feed changed feed http")));
        assert!(changes.last().unwrap().starts_with("ada@example.org: feed restored feed http"));
    }

    async fn a_feed_of_a_retired_topic_waits_for_it(stage: Stage) {
        let site = Site::opens().await;
        let mut ada = stage.owner("ada").await;
        ada.fills_in("/admin/sources/topics", "slug=harbour&name=Harbour").await;
        let fields = format!("url={}&topic=harbour&every=5m", encoded(&site.feed_url()));
        ada.fills_in("/admin/sources/feeds", &fields).await;
        stage.settle().await;
        let page = "/admin/sources/topics/harbour";
        ada.sends(page, &format!("{page}/retire"), "").await;
        site.publishes(Post::titled("Ships"));
        stage.advance(1.hours()).await;
        ada.opens("/admin/sources").await.says("its topic is retired");
        let mut tx = stage.cx.db.read().await.unwrap();
        assert!(store::posts::newest(&mut tx, 9).await.unwrap().is_empty());
        drop(tx);
        let refused = ada.fills_in("/admin/sources/feeds", "url=https%3A%2F%2Fa.example.org%2F&topic=harbour").await;
        refused.says("It must be the slug of a topic that isn&#39;t retired.");
        ada.sends(page, &format!("{page}/restore"), "").await;
        stage.settle().await;
        let mut tx = stage.cx.db.read().await.unwrap();
        assert_eq!(store::posts::newest(&mut tx, 9).await.unwrap().len(), 1);
    }

    async fn another_address_begins_with_a_baseline(stage: Stage) {
        let (old, new) = (Site::opens().await, Site::opens().await);
        stage.reader(ADA).await;
        let mut ada = stage.owner("ada").await;
        let fields = |site: &Site| format!("url={}&topic=election-alerts&alert=true", encoded(&site.feed_url()));
        ada.fills_in("/admin/sources/feeds", &fields(&old)).await;
        stage.settle().await;
        new.publishes(Post::titled("Told elsewhere"));
        let page = format!("/admin/sources/feeds/{}", feed(&stage, &old.feed_url()).await.id);
        assert_eq!(ada.fills_in(&page, &fields(&new)).await.status, 303);
        stage.settle().await;
        assert!(stage.subjects(ADA).is_empty());
        new.publishes(Post::titled("Polls close"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close"]);
    }

    async fn what_is_wrong_stands_beside_its_field_and_nothing_is_made(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        for (path, fields, says) in [
            ("topics", "slug=A+b&name=A", "It must be 1 to 64 lower-case letters"),
            ("topics", "slug=a&name=A%0AB", "It must be a text of 1 to 100 characters on one line."),
            ("feeds", "url=ftp%3A%2F%2Fa.example.org&topic=election-alerts", "It must be an address as in https://site.example.org/feed/"),
            ("feeds", "url=http%3A%2F%2F10.0.0.5%2F&topic=election-alerts", "It is on 10.0.0.5, which is not a public address"),
            ("feeds", "url=http%3A%2F%2F%5B%3A%3Affff%3A10.0.0.5%5D%2F&topic=election-alerts", "which is not a public address"),
            ("feeds", "url=https%3A%2F%2Fa.example.org&topic=nowhere", "It must be the slug of a topic that isn't retired."),
            ("feeds", "url=https%3A%2F%2Fa.example.org&topic=election-alerts&every=soon", "It must be a time from 1s to 168h"),
            ("schedules", "digest=none&cron=0+7+*+*+*&timezone=UTC", "It must be daily or weekly."),
            ("schedules", "digest=daily&cron=0+7+*+*+1&timezone=UTC", "must be a name (SUN, MON"),
            ("schedules", "digest=daily&cron=0+7+*+*+*&timezone=Berlin", "as in Europe/Berlin"),
            ("schedules", "digest=daily&name=weekly&cron=0+7+*+*+*&timezone=UTC", "It must not be the word for another digest"),
            ("schedules", "digest=daily&name=x&cron=0+7+*+*+*&timezone=UTC", "It is sent by the schedule “daily” already"),
        ] {
            let page = ada.fills_in(&format!("/admin/sources/{path}"), fields).await;
            assert_eq!(page.status, 422, "{fields}");
            let shown = page.body.replace("&#x2F;", "/").replace("&#39;", "'").replace("&#x27;", "'");
            assert!(shown.contains(says), "{fields}: {says}\n{shown}");
            assert!(page.body.contains("aria-invalid=\"true\""), "{fields}");
        }
        let mut bob = stage.editor("bob").await;
        for path in ["topics", "feeds", "schedules"] {
            assert_eq!(bob.opens(&format!("/admin/sources/{path}")).await.status, 403);
        }
        let page = bob.opens("/admin/sources").await;
        assert!(!page.body.contains("Add a topic"), "{}", page.body);
        let changes = stage.changes().await;
        assert!(changes.iter().all(|change| change.contains(" user ")), "{changes:?}");
    }

    async fn changed_hours_hold_at_once_and_neither_drop_nor_repeat_a_post(stage: Stage) {
        stage.reader_of(ADA, "digest=daily").await;
        stage.pushes("a", "The count begins", false).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
        stage.pushes("b", "The count goes on", false).await;
        stage.advance_to("2026-10-31T12:00:00Z").await;
        let mut ada = stage.owner("ada").await;
        let page = format!("/admin/sources/schedules/{}", schedule(&stage, "daily").await.id);
        let change = async |cron: &str, zone: &str, ada: &mut crate::stage::Colleague<'_>| {
            let fields = format!("name=daily&digest=daily&cron={}&timezone={}", encoded(cron), encoded(zone));
            let saved = ada.fills_in(&page, &fields).await;
            assert_eq!(saved.status, 303, "{}", saved.body);
        };
        // Hours that have passed today are done with: nobody gets a second digest for them.
        change("0 9 * * *", "UTC", &mut ada).await;
        stage.advance(10.minutes()).await;
        assert_eq!(stage.subjects(ADA).len(), 1);
        change("0 18 * * *", "UTC", &mut ada).await;
        stage.advance_to("2026-10-31T18:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins", "The count goes on"]);
        stage.pushes("c", "The count ends", false).await;
        // In New York the clocks go back on the next day.
        change("30 1 * * *", "America/New_York", &mut ada).await;
        stage.live(36.hours(), 30.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["The count begins", "The count goes on", "The count ends"]);
        assert!(stage.changes().await.contains(&"ada@example.org: schedule changed schedule daily".to_owned()));
    }

    async fn a_schedule_that_is_retired_does_not_run_and_restored_tells_what_was_left_out(stage: Stage) {
        stage.reader_of(ADA, "digest=daily").await;
        let mut ada = stage.owner("ada").await;
        let page = format!("/admin/sources/schedules/{}", schedule(&stage, "daily").await.id);
        stage.pushes("a", "The count begins", false).await;
        ada.sends(&page, &format!("{page}/retire"), "").await;
        ada.opens("/admin/sources").await.says("The daily digest has no schedule");
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert!(stage.subjects(ADA).is_empty());
        drop(ada);
        // A restart doesn't bring it back by itself.
        let stage = stage.restarted().await;
        assert!(!schedule(&stage, "daily").await.active);
        let mut ada = stage.browser("ada");
        ada.signs_in(crate::stage::PASSWORD).await;
        ada.sends(&page, &format!("{page}/restore"), "").await;
        stage.settle().await;
        assert!(stage.subjects(ADA).is_empty(), "it runs at its next time");
        stage.advance_to("2026-11-01T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
    }

    async fn the_newsrooms_schedule_stands_in_for_the_usual_one_until_the_file_has_one(stage: Stage) {
        let mut ada = stage.owner("ada").await;
        let daily = format!("/admin/sources/schedules/{}", schedule(&stage, "daily").await.id);
        ada.sends(&daily, &format!("{daily}/retire"), "").await;
        let fields = "name=Evening&digest=daily&cron=0+18+*+*+*&timezone=Europe%2FBerlin";
        let made = ada.fills_in("/admin/sources/schedules", fields).await;
        assert_eq!(made.status, 303, "{}", made.body);
        let evening = format!("/admin/sources/schedules/{}", number(&made));
        let refused = ada.sends(&daily, &format!("{daily}/restore"), "").await;
        refused.says("Another schedule sends the daily digest.");
        drop(ada);
        let stage = stage.restarted().await;
        assert!(schedule(&stage, "Evening").await.active && !schedule(&stage, "daily").await.active);
        let stage = stage.restarted_with(|setup| setup.schedule("daily", "0 0 6 * * *", "UTC")).await;
        assert!(!schedule(&stage, "Evening").await.active && schedule(&stage, "daily").await.active);
        let mut ada = stage.browser("ada");
        ada.signs_in(crate::stage::PASSWORD).await;
        ada.sends(&evening, &format!("{evening}/restore"), "").await.says("Another schedule sends the daily digest.");
        ada.opens(&daily).await.says("It stands in config.toml.");
    }

    async fn a_schedule_says_what_would_go_out_at_a_time(stage: Stage) {
        stage.reader_of(ADA, "digest=daily&alerts=true").await;
        stage.reader_of("bob@example.org", "digest=daily&alerts=false").await;
        stage.pushes("a", "The count begins", true).await;
        stage.settle().await;
        let mut mary = stage.viewer("mary").await;
        let page = format!("/admin/sources/schedules/{}", schedule(&stage, "daily").await.id);
        let shown = mary.opens(&page).await;
        shown.says("value=\"2026-10-31T07:00\"");
        shown.says("<li><strong>Sat 31 Oct 2026, 07:00 UTC</strong></li>");
        let told = mary.opens(&format!("{page}?at=2026-10-31T07:00")).await;
        told.says("2 readers would get it");
        told.says("in full to 1, as a line to 1 who had it as an alert");
        told.says("Sat 31 Oct 2026, 07:00 UTC");
        let later = mary.opens(&format!("{page}?at=2026-11-02T09:30")).await;
        later.says("It runs before that, on Sat 31 Oct 2026, 07:00 UTC");
        for wrong in ["2026-10-30T11:00", "soon", "2028-01-01T00:00"] {
            mary.opens(&format!("{page}?at={wrong}")).await.says("id=\"at-fault\"");
        }
        assert_eq!(stage.issues().await, ["alert: The count begins"], "looking sends nothing");
        stage.advance_to("2026-10-31T07:00:00Z").await;
        mary.signs_in(crate::stage::PASSWORD).await;
        mary.opens(&format!("{page}?at=2026-11-01T07:00")).await.says("Nobody would get anything");
    }

    async fn a_run_that_was_under_way_when_its_schedule_was_changed_is_dropped(stage: Stage) {
        let read = schedule(&stage, "daily").await;
        let mut ada = stage.owner("ada").await;
        let page = format!("/admin/sources/schedules/{}", read.id);
        ada.sends(&page, &format!("{page}/retire"), "").await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let until = stage.now().plus(1.days());
        assert!(!store::schedules::watched_until(&mut tx, &read, until).await.unwrap());
        tx.commit().await.unwrap();
        ada.sends(&page, &format!("{page}/restore"), "").await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        assert!(store::schedules::watched_until(&mut tx, &read, until).await.unwrap());
        assert!(!store::schedules::watched_until(&mut tx, &read, until).await.unwrap(), "once");
    }

    async fn a_feed_that_is_retired_or_moved_while_it_is_read_brings_nothing(stage: Stage) {
        for (retires, answer) in [(true, 200), (true, 304), (true, 500), (false, 200), (false, 304), (false, 500)] {
            let (site, elsewhere) = (Site::opens().await, Site::opens().await.feed_url());
            let url = site.feed_url();
            let mut tx = stage.cx.db.begin().await.unwrap();
            let topic_id = store::topics::all(&mut tx).await.unwrap()[0].id;
            let reading = |url| store::feeds::Reading { url, topic_id, every_micros: 300_000_000, alert: true };
            let id = store::feeds::insert(&mut tx, reading(&url), stage.now()).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            stage.settle().await;
            stage.cx.clock.advance(6.minutes());
            match answer {
                200 => site.publishes(Post::titled("Too late")),
                500 => site.answers(500, &[], b""),
                _ => {}
            }
            site.takes_its_time();
            let mut poller = stage.poller();
            poller.start_due().await.unwrap();
            while site.requests() < 2 {
                tokio::task::yield_now().await;
            }
            let mut tx = stage.cx.db.begin().await.unwrap();
            let done = match retires {
                true => store::feeds::set_active(&mut tx, id, false, stage.now()).await.unwrap(),
                false => store::feeds::change(&mut tx, id, reading(&elsewhere), stage.now()).await.unwrap(),
            };
            let before = store::feeds::by_id(&mut tx, id).await.unwrap().unwrap();
            tx.commit().await.unwrap();
            site.answers_now();
            poller.finish().await;
            let mut tx = stage.cx.db.begin().await.unwrap();
            let after = store::feeds::by_id(&mut tx, id).await.unwrap().unwrap();
            assert_eq!(format!("{after:?}"), format!("{before:?}"), "retired: {retires}, answer {answer}");
            assert!(done && store::posts::newest(&mut tx, 1).await.unwrap().is_empty(), "retired: {retires}");
            store::feeds::set_active(&mut tx, id, false, stage.now()).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_restart_of_the_same_file_changes_nothing() {
    let _logs = Logs::collected();
    let setup = Setup::on(crate::stage::Backend::Sqlite).schedule("weekly", "0 0 8 * * TUE", "Europe/Berlin");
    let stage = setup.open().await;
    let before = (schedule(&stage, "daily").await, schedule(&stage, "weekly").await);
    let stage = stage.restarted().await;
    let after = (schedule(&stage, "daily").await, schedule(&stage, "weekly").await);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}
