//! Posts from feeds: the silent baseline, alerts of what is new, revisions, bursts, and feeds in trouble.

use axum::http::header;
use bellwether::store::{self, feeds::Feed};

use crate::stage::{Logs, Post, Setup, Site, Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn the_first_poll_of_a_feed_is_silent_and_a_new_post_is_alerted(setup: Setup) {
        let site = Site::opens().await;
        site.publishes(Post::titled("An old story"));
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        stage.live(1.day(), 1.hour()).await;
        assert!(stage.subjects(ADA).is_empty(), "nobody gets mail about what was there before");

        site.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
        let mail = stage.newest(ADA);
        assert!(mail.text().contains("What is known about this: Polls close at eight."), "{}", mail.text());
        assert!(mail.text().contains("\nhttps://site.example.org/polls-close-at-eight/\n"), "{}", mail.text());
    }

    async fn a_baseline_waits_for_the_first_answer(setup: Setup) {
        let site = Site::opens().await;
        site.publishes(Post::titled("An old story"));
        site.answers(503, &[], b"");
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        stage.advance(5.minutes()).await;
        site.recovers();
        stage.advance(5.minutes()).await;
        assert!(stage.subjects(ADA).is_empty());
    }

    async fn a_restart_is_no_second_baseline(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        let stage = stage.restarted().await;
        site.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn a_feed_is_polled_at_its_interval_with_conditional_requests(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.settle().await;
        assert_eq!((site.requests(), site.not_modified()), (1, 0), "at the start");
        stage.advance(5.minutes() - 1.seconds()).await;
        assert_eq!(site.requests(), 1);
        stage.advance(1.seconds()).await;
        assert_eq!((site.requests(), site.not_modified()), (2, 1));
        site.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        stage.advance(5.minutes()).await;
        assert_eq!((site.requests(), site.not_modified()), (4, 2));
    }

    async fn a_guid_that_moves_to_https_is_no_second_mail(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        let post = Post::titled("Polls close at eight");
        site.publishes(Post { guid: "http://site.example.org/?p=7".to_owned(), ..post });
        stage.advance(5.minutes()).await;
        site.edits(|post| {
            post.guid = "https://site.example.org/?p=7".to_owned();
            post.link = "https://site.example.org/moved/".to_owned();
        });
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }

    async fn the_same_link_under_another_guid_is_a_revision(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        site.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        site.edits(|post| {
            post.guid = "another".to_owned();
            post.title = "Polls close at nine".to_owned();
        });
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
        stage.advance(1.day()).await;
        let digest = stage.newest(ADA);
        assert_eq!(digest.subject(), "Polls close at nine", "the digest has what it says now");
        assert!(!digest.text().contains("Polls close at eight"), "{}", digest.text());
    }

    async fn a_post_dated_more_than_a_day_back_is_never_alerted(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        site.publishes(Post::titled("Within a day").published("Thu, 29 Oct 2026 12:06:00 +0000"));
        site.publishes(Post::titled("Long ago").published("Thu, 29 Oct 2026 11:59:00 +0000"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Within a day"]);
        site.edits(|post| post.published = Some("Fri, 30 Oct 2026 12:00:00 +0000".to_owned()));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Within a day"], "nor when its date is changed");
        stage.advance(1.day()).await;
        assert!(stage.newest(ADA).text().contains("Long ago"), "but it is in the digest");
    }

    async fn of_many_new_posts_the_three_newest_are_alerted_and_the_operator_is_told(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).with("sender.operator", "operator@example.org").open().await;
        stage.reader(ADA).await;
        for (title, at) in [("Two", "11:20"), ("Five", "11:50"), ("One", "11:10"), ("Four", "11:40"), ("Three", "11:30")] {
            site.publishes(Post::titled(title).published(&format!("Fri, 30 Oct 2026 {at}:00 +0000")));
        }
        stage.advance(5.minutes()).await;
        let mut subjects = stage.subjects(ADA);
        subjects.sort();
        assert_eq!(subjects, ["Five", "Four", "Three"]);
        let notices = stage.inbox("operator@example.org");
        let [notice] = notices.as_slice() else { panic!("{} notices", notices.len()) };
        assert!(notice.text().contains("5 new posts came in one poll"), "{}", notice.text());
        let [feed] = feeds(&stage).await.try_into().unwrap();
        assert!(feed.warning.unwrap().contains("5 new posts"));

        stage.advance_to("2026-10-31T07:00:00Z").await;
        let digest = stage.newest(ADA);
        assert_eq!(digest.subject(), "Two and 4 more");
        assert!(digest.text().contains("You already had these as alerts"), "{}", digest.text());
    }

    async fn a_feed_of_garbage_is_an_error_on_the_feed_and_the_service_goes_on(setup: Setup) {
        let (site, other) = (Site::opens().await, Site::opens().await);
        let stage = setup.feed(&site).feed(&other).open().await;
        stage.reader(ADA).await;
        site.answers(200, &[(header::CONTENT_TYPE, "application/rss+xml")], b"\x00\xffnonsense<rss><channel>");
        other.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
        let [feed, fine] = feeds(&stage).await.try_into().unwrap();
        assert_eq!((feed.failures, fine.failures, fine.last_error), (1, 0, None));
        assert!(!feed.last_error.unwrap().is_empty());

        site.recovers();
        site.publishes(Post::titled("Polls are closed"));
        stage.advance(5.minutes()).await;
        let [feed, _] = feeds(&stage).await.try_into().unwrap();
        assert_eq!((feed.failures, feed.last_error), (0, None));
        assert_eq!(stage.subjects(ADA), ["Polls close at eight", "Polls are closed"]);
    }

    async fn a_feed_is_polled_again_after_an_error_and_retry_after_is_honoured(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        site.answers(500, &[], b"");
        stage.settle().await;
        stage.advance(5.minutes()).await;
        assert_eq!(site.requests(), 2, "at its interval");
        site.answers(429, &[(header::RETRY_AFTER, "1800")], b"");
        stage.advance(5.minutes()).await;
        site.recovers();
        stage.advance(29.minutes()).await;
        assert_eq!(site.requests(), 3);
        stage.advance(1.minutes()).await;
        assert_eq!(site.requests(), 4);
        stage.advance(5.minutes()).await;
        assert_eq!(site.requests(), 5);
    }

    async fn two_feeds_with_the_same_article_make_one_mail(setup: Setup) {
        let (site, other) = (Site::opens().await, Site::opens().await);
        let stage = setup
            .topic("foreign-policy", "Foreign policy")
            .feed(&site)
            .feed_for(&other, "foreign-policy", true)
            .open()
            .await;
        stage.reader(ADA).await;
        site.publishes(Post::titled("Polls close at eight"));
        other.publishes(Post { guid: "7".to_owned(), ..Post::titled("Polls close at eight") });
        stage.advance(5.minutes()).await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
        stage.advance_to("2026-10-31T07:00:00Z").await;
        let digest = stage.newest(ADA).text();
        assert_eq!(digest.matches("Polls close at eight").count(), 1, "{digest}");
    }

    async fn a_site_that_pushes_what_its_feed_had_first_is_still_alerted_and_once(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed_for(&site, "election-alerts", false).open().await;
        stage.reader(ADA).await;
        site.publishes(Post { link: "https://site.example.org/a/".to_owned(), ..Post::titled("The count begins") });
        stage.advance(5.minutes()).await;
        assert!(stage.subjects(ADA).is_empty());
        assert!(!stage.pushes("a", "The count begins", true).await.new);
        stage.settle().await;
        assert!(!stage.pushes("a", "The count has begun", true).await.new);
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["The count begins"]);
    }

    async fn a_post_in_two_feeds_is_alerted_to_the_topic_whose_feed_alerts_whichever_was_first(setup: Setup) {
        let (quiet, loud) = (Site::opens().await, Site::opens().await);
        let stage = setup
            .topic("local", "Local news")
            .feed_for(&quiet, "local", false)
            .feed_for(&loud, "election-alerts", true)
            .open()
            .await;
        stage.reader_of(ADA, "topics=election-alerts").await;
        stage.reader_of("eve@example.org", "topics=local").await;
        for (title, first, second) in [("One", &quiet, &loud), ("Two", &loud, &quiet)] {
            first.publishes(Post::titled(title));
            stage.advance(5.minutes()).await;
            second.publishes(Post::titled(title));
            stage.advance(5.minutes()).await;
        }
        assert_eq!(stage.subjects(ADA), ["One", "Two"]);
        assert!(stage.subjects("eve@example.org").is_empty());
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects("eve@example.org"), ["Two and 1 more"]);
    }

    async fn a_feed_that_hangs_holds_up_no_other_and_no_stop(setup: Setup) {
        let (hanging, site) = (Site::opens().await, Site::opens().await);
        let stage = setup.feed(&hanging).feed(&site).open().await;
        stage.reader(ADA).await;
        hanging.hangs();
        site.publishes(Post::titled("Polls close at eight"));
        stage.cx.clock.advance(5.minutes());
        let mut poller = stage.poller();
        assert_eq!(poller.start_due().await.unwrap(), 2);
        while stage.subjects(ADA).is_empty() {
            tokio::task::yield_now().await;
            stage.prepare().await;
            stage.deliver().await;
        }
        stage.cx.clock.advance(30.seconds());
        assert_eq!(poller.start_due().await.unwrap(), 0, "one is under way, the other was just polled");
        poller.stop().await;
        assert_eq!(hanging.requests(), 2);
        let [feed, _] = feeds(&stage).await.try_into().unwrap();
        assert_eq!((feed.failures, feed.last_error), (0, None));
    }

    async fn a_stop_keeps_what_was_fetched_already(setup: Setup) {
        let logs = Logs::collected();
        let site = Site::opens().await;
        let stage = setup.feed(&site).open().await;
        stage.reader(ADA).await;
        site.publishes(Post::titled("Polls close at eight"));
        stage.cx.clock.advance(5.minutes());
        let mut poller = stage.poller();
        assert_eq!(poller.start_due().await.unwrap(), 1);
        let mut busy = stage.cx.db.begin().await.unwrap();
        store::posts::lock(&mut busy).await.unwrap();
        while logs.text().matches("feed read").count() < 2 {
            tokio::task::yield_now().await;
        }
        let ((), committed) = tokio::join!(poller.stop(), async {
            tokio::task::yield_now().await;
            busy.commit().await
        });
        committed.unwrap();
        stage.prepare().await;
        assert_eq!(stage.issues().await, ["alert: Polls close at eight"]);
    }

    async fn control_characters_in_any_field_do_no_harm(stage: Stage) {
        stage.reader(ADA).await;
        let bad = || "a\0b\u{1}c\r\nd\u{2}foot\u{7f}".to_owned();
        let draft = bellwether::domain::post::PostDraft {
            guid: bad(),
            url: Some(format!("https://site.example.org/{}", bad())),
            title: bad(),
            summary: bad(),
            html: bad(),
            author: Some(bad()),
            categories: vec![bad()],
            tags: vec![bad()],
            published_at: None,
            image: Some(bad()),
        };
        stage.pushes_draft(draft, "election-alerts", true).await;
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA).len(), 2, "the alert and the digest");
    }

    async fn a_feed_on_a_private_address_is_refused_unless_it_is_listed(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.with("fetching.allow_networks.0", "10.0.0.0/8").feed(&site).open().await;
        stage.settle().await;
        assert_eq!(site.requests(), 0);
        let [feed] = feeds(&stage).await.try_into().unwrap();
        assert!(feed.last_error.unwrap().contains("allow_networks"));
    }

    async fn a_feed_without_alerts_goes_into_the_digest_only(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed_for(&site, "election-alerts", false).open().await;
        stage.reader(ADA).await;
        site.publishes(Post::titled("Polls close at eight"));
        stage.advance(5.minutes()).await;
        assert!(stage.subjects(ADA).is_empty());
        stage.advance_to("2026-10-31T07:00:00Z").await;
        assert_eq!(stage.subjects(ADA), ["Polls close at eight"]);
    }
}

async fn feeds(stage: &Stage) -> Vec<Feed> {
    let mut tx = stage.cx.db.read().await.unwrap();
    store::feeds::all_active(&mut tx).await.unwrap()
}
