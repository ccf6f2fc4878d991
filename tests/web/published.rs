//! The newsroom's pages about issues, readers, lists and sources, in the states that they can show.

use crate::stage::{PASSWORD, Span, Stage};

use super::admin::is_for_everybody;

#[tokio::test]
async fn every_page_about_issues_and_readers_is_one_that_everybody_can_use() {
    let stage = Stage::new().await;
    let mut ada = stage.owner("ada").await;
    let mut pages = Vec::new();
    for path in
        ["/admin", "/admin/issues", "/admin/subscribers", "/admin/subscribers/import", "/admin/sources"]
    {
        pages.push((format!("{path}, fresh"), ada.opens(path).await.body));
    }
    stage.imported_all(&["550-bob@example.org", "451-cy@example.org"]).await;
    stage.reader("dot@example.org").await;
    stage.cx.clock.advance(2.days());
    stage.settle().await;
    ada.signs_in(PASSWORD).await;
    let issue = stage.alert("Polls close at eight").sent().await;
    stage.leaves("dot@example.org").await;
    for path in ["/admin", "/admin/issues", "/admin/subscribers", "/admin/sources"] {
        pages.push((path.to_owned(), ada.opens(path).await.body));
    }
    let path = format!("/admin/issues/{issue}");
    let page = ada.opens(&path).await.body;
    for line in page.split("href=\"").filter(|it| it.starts_with("/admin/deliveries/")) {
        let delivery = line.split('"').next().unwrap();
        pages.push((delivery.to_owned(), ada.opens(delivery).await.body));
    }
    pages.push((path.clone(), page));
    pages.push(("the mail".to_owned(), ada.opens(&format!("{path}/mail")).await.body));
    let readers = ada.opens("/admin/subscribers").await.body;
    for line in readers.split("href=\"").filter(|it| it.starts_with("/admin/subscribers/0")) {
        let reader = line.split('"').next().unwrap();
        let wrong = ada.sends(reader, &format!("{reader}/erase"), "address=x").await;
        pages.push((format!("{reader}, wrong address"), wrong.body));
        pages.push((reader.to_owned(), ada.opens(&format!("{reader}?issue={issue}")).await.body));
    }
    let list = Some(("file", "list.csv", "email\neve@example.org\nno address\n"));
    let fields = [("topic", "election-alerts"), ("source", "elsewhere"), ("digest", "daily")];
    let looked = ada.uploads("/admin/subscribers/import", &fields, list).await;
    pages.push(("import, looked at".to_owned(), looked.body));
    let refused = ada.uploads("/admin/subscribers/import", &fields, None).await;
    pages.push(("import, refused".to_owned(), refused.body));
    assert!(pages.len() >= 20, "{}", pages.len());
    for (name, page) in &pages {
        is_for_everybody(name, page);
    }
}
