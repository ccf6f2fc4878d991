//! The link in the confirmation mail: GET shows, POST confirms, late clicks and strangers.

use bellwether::subscribing::records;

use crate::stage::{Span, Stage, both};

const ADA: &str = "ada@example.org";

both! {
    async fn looking_at_a_link_changes_nothing_however_often(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        for _ in 0..3 {
            let page = stage.open(&link).await;
            assert_eq!(page.status, 200);
            page.says("<button");
        }
        let issue = stage.alert("Nobody reads this").sent().await;
        assert_eq!(stage.outcome(issue).await, "");

        stage.press(&link).await;
        stage.alert("Polls close at eight").sent().await;
        let mail = stage.newest(ADA);
        stage.open(&mail.link("unsubscribe")).await.says("<button");
        stage.open(&mail.link("preferences")).await.says("<button");
        let issue = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn an_address_that_only_signed_up_is_known_by_its_sign_up(stage: Stage) {
        let ada = ADA.parse().unwrap();
        assert!(records::show(&stage.cx, &ada).await.unwrap().is_none());
        stage.visitor().signs_up(ADA).await;
        let record = records::show(&stage.cx, &ada).await.unwrap().unwrap();
        assert!(record.subscriber.is_none());
        assert_eq!(record.signups.iter().map(|signup| signup.state.as_str()).collect::<Vec<_>>(), ["mailed"]);
    }

    async fn confirming_twice_is_confirming_once(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        let first = stage.press(&link).await;
        let again = stage.press(&link).await;
        assert_eq!((first.status, &first.body), (again.status, &again.body));
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");

        let mail = stage.newest(ADA);
        stage.press(&mail.link("unsubscribe")).await;
        for page in [stage.open(&link).await, stage.press(&link).await] {
            assert_eq!(page.status, 410);
            page.says("sign up again");
        }
        let issue = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(issue).await, "", "an old link doesn't bring anybody back");
    }

    async fn a_late_click_offers_a_new_link_for_the_same_wishes(stage: Stage) {
        stage.visitor().asks("email=ada%40example.org&digest=weekly").await;
        stage.settle().await;
        let link = stage.newest(ADA).link("confirm");
        stage.advance(7.days()).await;
        for page in [stage.open(&link).await, stage.press(&link).await] {
            assert_eq!(page.status, 410);
            page.says(&format!("action=\"{link}/renew\""));
        }
        let issue = stage.alert("Nobody reads this").sent().await;
        assert_eq!(stage.outcome(issue).await, "");

        assert_eq!(stage.press(&format!("{link}/renew")).await.status, 200);
        let renewed = stage.newest(ADA).link("confirm");
        assert_ne!(renewed, link);
        stage.press(&renewed).await.says("Weekly digest");
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        stage.press(&format!("{link}/renew")).await;
        assert_eq!(stage.inbox(ADA).len(), 3, "within the limits of a sign-up");
    }

    async fn a_link_holds_until_the_last_moment(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        stage.advance(7.days() - 1.seconds()).await;
        assert_eq!(stage.press(&link).await.status, 200);
    }

    async fn who_says_it_was_not_them_is_left_alone_for_90_days(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        assert_eq!(stage.press(&format!("{link}/refuse")).await.status, 200);
        stage.advance(89.days()).await;
        assert_eq!(stage.visitor().signs_up(ADA).await.status, 200);
        assert_eq!(stage.inbox(ADA).len(), 1);
        stage.advance(1.day()).await;
        stage.visitor().signs_up(ADA).await;
        assert_eq!(stage.inbox(ADA).len(), 2);
    }

    async fn who_refused_by_mistake_may_still_confirm_the_same_link(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        stage.press(&format!("{link}/refuse")).await;
        assert_eq!(stage.press(&link).await.status, 200);
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn refusing_after_confirming_changes_nothing(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        stage.press(&link).await;
        stage.press(&format!("{link}/refuse")).await.says("already confirmed");
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
    }

    async fn a_forged_or_cut_link_opens_nothing(stage: Stage) {
        stage.visitor().signs_up(ADA).await;
        let link = stage.newest(ADA).link("confirm");
        let token = link.rsplit('/').next().unwrap();
        let cut = &token[..token.len() - 1];
        let flipped = format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..]);
        for forged in [cut, &flipped, "", "%00", "..", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            for door in ["confirm", "unsubscribe", "preferences"] {
                let path = format!("/{door}/{forged}");
                assert_eq!(stage.open(&path).await.status, 404, "{path}");
                assert_eq!(stage.press(&path).await.status, 404, "{path}");
            }
        }
        for door in ["unsubscribe", "preferences"] {
            assert_eq!(stage.press(&format!("/{door}/{token}")).await.status, 404, "a token opens its own door");
        }
        let issue = stage.alert("Nobody reads this").sent().await;
        assert_eq!(stage.outcome(issue).await, "");
    }
}
