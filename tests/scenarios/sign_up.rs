//! Signing up: the form, the confirmation mail, and the button behind its link.

use crate::stage::{Span, Stage, both};

both! {
    async fn a_visitor_signs_up_confirms_and_is_a_reader(stage: Stage) {
        let page = stage.visitor().signs_up("ada@example.org").await;
        assert_eq!(page.status, 200);
        let mail = stage.newest("ada@example.org");
        assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
        let link = mail.link("confirm");

        let page = stage.open(&link).await;
        assert_eq!(page.status, 200);
        let issue = stage.alert("Nobody reads this").sent().await;
        assert_eq!(stage.outcome(issue).await, "", "looking at the link changes nothing");

        assert_eq!(stage.press(&link).await.status, 200);
        let issue = stage.alert("Polls close at eight").sent().await;
        assert_eq!(stage.outcome(issue).await, "1 sent");
        assert_eq!(stage.subjects("ada@example.org"), ["Polls close at eight"]);
        stage.advance(1.day()).await;
    }
}
