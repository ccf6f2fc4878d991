//! A relay that refuses many recipients for good: it may be wrong, and wipes no list.

use bellwether::domain::suppression::Kind;
use bellwether::store;

use crate::stage::{Setup, Span, Stage, both};

const OPERATOR: &str = "operator@example.org";

both! {
    async fn a_relay_that_says_nobody_exists_wipes_no_list_and_the_operator_is_told(setup: Setup) {
        let stage = setup.with("sender.operator", OPERATOR).open().await;
        // Wrong about each of them once.
        let readers: Vec<_> = (0..60).map(|number| format!("550-1-{number}@example.org")).collect();
        stage.imported_all(&readers).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "60 bounced", "mail goes on");
        for reader in &readers {
            assert_eq!(suppressions(&stage, reader).await, [], "{reader}");
        }
        assert!(shown(&stage, 1));
        let [notice] = stage.inbox(OPERATOR).try_into().ok().expect("one notice");
        assert!(notice.subject().contains("refuses many recipients"));
        let text = notice.text();
        assert!(text.contains("(address)") && !text.contains("550-1-"), "{text}");
        let later = stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.outcome(later).await, "60 sent");
    }

    async fn one_who_does_not_exist_is_suppressed_again_when_the_others_do(setup: Setup) {
        let stage = setup.with("sender.operator", OPERATOR).open().await;
        let mut readers: Vec<_> = (0..25).map(|number| format!("550-2-{number}@example.org")).collect();
        stage.imported_all(&readers).await;
        stage.alert("Polls close at eight").sent().await;
        stage.alert("Polls are closed").sent().await;
        assert_eq!(stage.inbox(OPERATOR).len(), 1, "told once a day");
        let gone = "550-gone@example.org".to_owned();
        stage.imported(&gone).await;
        readers.push(gone.clone());
        let doubtful = stage.alert("The count begins").sent().await;
        assert_eq!(stage.outcome(doubtful).await, "1 bounced, 25 sent");
        assert_eq!(suppressions(&stage, &gone).await, []);
        stage.advance(61.minutes()).await;
        assert!(shown(&stage, 0));
        stage.alert("First results").sent().await;
        assert_eq!(suppressions(&stage, &gone).await, [Kind::Undeliverable]);
    }

    async fn a_few_who_do_not_exist_are_suppressed_among_many_who_do(stage: Stage) {
        let absent: Vec<_> = (1..20).map(|number| format!("550-{number}@example.org")).collect();
        stage.imported_all(&absent).await;
        stage.imported_all(&(0..20).map(|number| format!("reader-{number}@example.org")).collect::<Vec<_>>()).await;
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "19 bounced, 20 sent");
        for reader in &absent {
            assert_eq!(suppressions(&stage, reader).await, [Kind::Undeliverable], "{reader}");
        }
    }
}

/// Whether the metrics say so of the relay.
fn shown(stage: &Stage, many: u8) -> bool {
    stage.cx.metrics.text().contains(&format!("bellwether_relay_refuses_many{{relay=\"primary\"}} {many}\n"))
}

async fn suppressions(stage: &Stage, address: &str) -> Vec<Kind> {
    let mut tx = stage.cx.db.read().await.unwrap();
    let found = store::suppressions::of(&mut tx, &stage.cx.hasher.hash(address)).await.unwrap();
    found.into_iter().map(|(kind, _)| kind).collect()
}
