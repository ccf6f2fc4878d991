//! A draft through the eyes of one reader.

use uuid::Uuid;

use crate::stage::{Colleague, Page, Stage, both};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";

/// A draft of this level on the first topic; its path.
async fn writes(stage: &Stage, level: &str) -> String {
    let mut editor = stage.editor("kim").await;
    let page = editor.sends("/admin/desk", "/admin/desk", "").await;
    let path = page.header("location").to_owned();
    let text = format!("subject=Polls+are+closed&body=First+counts.&topic=election-alerts&level={level}");
    assert_eq!(editor.sends(&path, &path, &text).await.status, 303);
    path
}

async fn sees(colleague: &mut Colleague<'_>, path: &str, who: &str) -> Page {
    let who: String = url::form_urlencoded::byte_serialize(who.as_bytes()).collect();
    colleague.opens(&format!("{path}?reader={who}")).await
}

/// What stands behind /unsubscribe/ and /preferences/.
fn tokens(page: &Page) -> Vec<String> {
    let parts = page.body.split("/unsubscribe/").skip(1).chain(page.body.split("/preferences/").skip(1));
    parts
        .map(|part| part.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect())
        .collect()
}

both! {
    async fn the_mail_is_shown_as_a_reader_would_get_it_with_links_that_open_nothing(stage: Stage) {
        stage.imported_all(&[ADA, EVE]).await;
        let path = writes(&stage, "all").await;
        let mut viewer = stage.viewer("mary").await;
        let page = sees(&mut viewer, &path, "ADA@example.com").await;
        page.says("They would get it now.");
        page.says(&format!("\">{ADA}</a>. The links in it look like theirs"));
        let frame = page.body.split("src=\"").find(|it| it.starts_with(&format!("{path}/mail?reader="))).unwrap();
        let mail = viewer.opens(frame.split('"').next().unwrap()).await;
        mail.says("First counts.");
        let shown = tokens(&mail);
        assert!(!shown.is_empty(), "{}", mail.body);
        let real = stage.cx.keys.sign(&stage.cx.keys.current(), bellwether::domain::token::Purpose::Unsubscribe, Uuid::nil());
        for token in shown.iter().chain(&tokens(&page)) {
            assert_eq!(token.len(), real.len(), "{token}");
            assert_eq!(stage.cx.keys.verify(token), None, "it opens nothing");
        }
    }

    async fn why_a_reader_would_not_get_it_is_told(stage: Stage) {
        stage.imported(ADA).await;
        stage.imported(EVE).await;
        stage.leaves(EVE).await;
        let path = writes(&stage, "all").await;
        let mut editor = stage.editor("lee").await;
        sees(&mut editor, &path, EVE).await.says("They would not get it: unsubscribed.");
        let page = sees(&mut editor, &path, "nobody@example.com").await;
        page.says("No reader has the address nobody@example.com.");
        assert!(!page.body.contains("They would"), "{}", page.body);
        sees(&mut editor, &path, "no address <b>").await.says("No reader has the address no address &lt;b&gt;.");
        assert!(!sees(&mut editor, &path, "").await.body.contains("No reader has"));
        let mail = editor.opens(&format!("{path}/mail?reader=nobody@example.com")).await;
        mail.says("your-own-link");
    }
}
