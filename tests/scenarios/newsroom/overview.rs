//! The overview: what needs somebody, how the readers grow, what waits; and topics, feeds, schedules.

use crate::stage::{Setup, Site, Span, Stage, both};

both! {
    async fn a_fresh_installation_says_the_next_step(stage: Stage) {
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens("/admin").await;
        for told in ["Get the first readers", "Let posts come in", "Publish something", "Nothing. Everything that was published has left.", "working"] {
            page.says(told);
        }
        assert!(!page.body.contains("Needs somebody"), "{}", page.body);
        stage.imported("ada@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        let page = mary.opens("/admin").await;
        assert!(!page.body.contains("<h2>Next</h2>"), "{}", page.body);
        page.says("Polls close at eight");
        page.says("took 1 mail in 24 hours");
    }

    async fn growth_and_losses_are_told_for_a_week_and_a_month(stage: Stage) {
        stage.imported_all(&["ada@example.org", "bob@example.org", "cy@example.org"]).await;
        stage.cx.clock.advance(20.days());
        stage.imported_all(&["dot@example.org", "eve@example.org"]).await;
        stage.leaves("ada@example.org").await;
        // Who is a reader and confirms anew comes no second time; who takes their leaving back comes again.
        stage.reader("dot@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        let link = stage.newest("eve@example.org").link("unsubscribe");
        assert_eq!(stage.press(&link).await.status, 200);
        let link = stage.newest("eve@example.org").link("preferences");
        let back = stage.fills_in(&link, "topics=election-alerts&alerts=true&digest=daily").await;
        assert_eq!(back.status, 200, "{}", back.body);
        stage.engine.tend().await.unwrap();
        let page = stage.viewer("mary").await.opens("/admin").await;
        page.says("<strong class=\"large\">4</strong>");
        page.says("In 7 days</dt><dd><span class=\"up\">+3</span> came, <span class=\"down\">−2</span> left");
        page.says("In 30 days</dt><dd><span class=\"up\">+6</span> came, <span class=\"down\">−2</span> left");
        page.says("Active readers over 90 days: 0 at first, 4 now");
    }

    async fn what_does_not_mend_itself_needs_somebody(stage: Stage) {
        stage.imported("ada@example.org").await;
        stage.operator_reads(&["queue", "pause", "--lane", "alert", "--reason", "wait for the correction"]).await;
        stage.alert("Polls close at eight").sent().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens("/admin").await;
        page.says("Needs somebody");
        page.says("wait for the correction. 1 wait in it.");
        page.says("<strong>Alert</strong> 1 waiting");
        assert!(!page.body.contains("go on</button>"), "a viewer changes nothing");
        let mut grace = stage.editor("grace").await;
        grace.opens("/admin").await.says("Let the lane alert go on</button>");
        let page = grace.sends("/admin", "/admin/resume", "kind=lane&name=alert").await;
        assert_eq!(page.header("location"), "/admin?done=resumed");
        stage.deliver().await;
        assert_eq!(stage.subjects("ada@example.org"), ["Polls close at eight"]);
        let changes = stage.changes().await;
        assert_eq!(changes.last().unwrap(), "grace@example.org: resumed lane alert");
        assert!(changes.contains(&"command line: paused lane alert".to_owned()), "{changes:?}");
        stage.cx.clock.advance(1.minutes());
        mary.opens("/admin").await.says("no service runs");
    }

    async fn a_relay_that_refuses_us_needs_somebody(stage: Stage) {
        stage.imported("relaying-denied@example.org").await;
        stage.alert("Polls close at eight").sent().await;
        let page = stage.viewer("mary").await.opens("/admin").await;
        page.says("refuses our mail since");
        page.says("<code>bellwether check</code>");
    }

    async fn a_feed_that_fails_needs_somebody_and_schedules_show_when_they_fire(setup: Setup) {
        let site = Site::opens().await;
        let stage = setup.feed(&site).schedule("daily", "0 7 * * *", "America/New_York").open().await;
        stage.settle().await;
        let mut mary = stage.viewer("mary").await;
        let page = mary.opens("/admin/sources").await;
        page.says(&site.feed_url());
        page.says("every 5 min, for Election alerts, a new post is an alert at once");
        page.says("Sun 1 Nov 2026, 07:00</strong> <small class=\"soft\"><time datetime=\"2026-11-01T12:00:00Z\">1 Nov 2026, 12:00 UTC</time></small> <span class=\"tag warn\">the clocks go back on this day");
        page.says("Sat 31 Oct 2026, 07:00</strong> <small class=\"soft\"><time datetime=\"2026-10-31T11:00:00Z\">");
        page.says("America/New_York");
        assert!(!mary.opens("/admin").await.body.contains("times in a row"));
        site.answers(500, &[], b"");
        for _ in 0..3 {
            stage.advance(2.hours()).await;
        }
        mary.opens("/admin").await.says("3 times in a row");
        mary.opens("/admin/sources").await.says("fails");
    }

    async fn a_post_that_could_not_be_alerted_needs_somebody(stage: Stage) {
        stage.pushes("a", "The count begins", true).await;
        let mut tx = stage.cx.db.begin().await.unwrap();
        let post = bellwether::store::posts::last_id(&mut tx).await.unwrap();
        bellwether::store::posts::give_up_alert(&mut tx, post).await.unwrap();
        tx.commit().await.unwrap();
        let mut mary = stage.viewer("mary").await;
        mary.opens("/admin").await.says("“The count begins” could not be made into an alert");
        stage.cx.clock.advance(3.days());
        assert!(!mary.opens("/admin").await.body.contains("could not be made"));
    }
}
