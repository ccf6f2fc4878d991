//! Every page of the newsroom, in the states that it can show: what a person with a screen reader, a keyboard or a strict
//! browser needs of it.

use bellwether::domain::role::Role;
use scraper::{ElementRef, Html, Selector};

use crate::stage::{PASSWORD, Stage};

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef) -> String {
    element.text().collect::<String>().trim().to_owned()
}

/// The pages, by what they show.
async fn every_page() -> Vec<(String, String)> {
    let stage = Stage::new().await;
    let mut pages = Vec::new();
    let mut out = stage.browser("ada");
    for path in ["/admin/login", "/admin/forgotten", "/admin/link/t0k3n"] {
        pages.push((path.to_owned(), out.opens(path).await.body));
    }
    let link = bellwether::newsroom::links::first_owner(&stage.cx).await.unwrap().unwrap();
    let path = link.strip_prefix("https://news.example.org").unwrap();
    pages.push(("first owner".to_owned(), out.opens(path).await.body));
    let short = out.fills_in(path, "email=ada%40example.org&name=Ada&password=short").await;
    pages.push(("first owner, too short".to_owned(), short.body));
    pages.push(("wrong password".to_owned(), out.signs_in("not that one, no").await.body));
    let asked = out.fills_in("/admin/forgotten", "email=ada%40example.org").await;
    pages.push(("forgotten, asked".to_owned(), asked.body));

    let mut ada = stage.owner("ada").await;
    stage.browser("ada").signs_in(PASSWORD).await;
    stage.employs("grace", Role::Editor).await;
    ada.fills_in("/admin/users", "name=Eve&email=eve%40example.org&role=viewer").await;
    pages.push((
        "new token".to_owned(),
        ada.fills_in("/admin/tokens", "name=Site&role=viewer&days=7").await.body,
    ));
    let wrong = ada.fills_in("/admin/users", "name=Eve&email=eve&role=viewer").await;
    pages.push(("wrong invitation".to_owned(), wrong.body));
    let wrong = ada.sends("/admin/account", "/admin/account/password", "present=x&new=y").await;
    pages.push(("wrong present password".to_owned(), wrong.body));
    for path in
        ["/admin", "/admin/account", "/admin/account/codes", "/admin/users", "/admin/tokens", "/admin/audit"]
    {
        pages.push((path.to_owned(), ada.opens(path).await.body));
    }
    for name in ["ada", "grace", "eve"] {
        let path = format!("/admin/users/{}", stage.user(name).await.public_id);
        pages.push((format!("user {name}"), ada.opens(&path).await.body));
    }
    ada.sends("/admin/account/codes", "/admin/account/codes/begin", "").await;
    pages.push(("codes, begun".to_owned(), ada.opens("/admin/account/codes").await.body));
    let wrong = ada.sends("/admin/account/codes", "/admin/account/codes/confirm", "code=1").await;
    pages.push(("codes, wrong".to_owned(), wrong.body));
    ada.sets_up_codes().await;
    pages.push(("codes, set up".to_owned(), ada.opens("/admin/account/codes?done=saved").await.body));
    let mut half = stage.browser("ada");
    half.signs_in(PASSWORD).await;
    pages.push(("code".to_owned(), half.opens("/admin/login/code").await.body));
    pages.push(("code, wrong".to_owned(), half.fills_in("/admin/login/code", "code=1").await.body));
    pages.push(("forbidden".to_owned(), stage.viewer("mary").await.opens("/admin/users").await.body));
    pages
}

#[tokio::test]
async fn every_page_of_the_newsroom_is_one_that_everybody_can_use() {
    let pages = every_page().await;
    for (name, page) in &pages {
        is_for_everybody(name, page);
    }
    assert_eq!(pages.len(), 25);
}

/// What holds for each page of the newsroom.
pub(super) fn is_for_everybody(name: &str, page: &str) {
    let html = Html::parse_document(page);
    assert_eq!(select(&html, "html[lang=en][dir=ltr]").len(), 1, "{name}");
    assert_eq!(select(&html, "h1").len(), 1, "{name}");
    assert!(text(select(&html, "title")[0]).ends_with(" · Election Desk newsroom"), "{name}");
    assert_eq!(select(&html, "main#main").len(), 1, "{name}");
    for inline in
        ["[style]", "style", "script:not([src])", "base", "iframe:not([sandbox=''])", "[onclick]", "br"]
    {
        assert!(select(&html, inline).is_empty(), "{name} has {inline}");
    }
    for loaded in select(&html, "link[href], script[src], img[src]") {
        let url = loaded.attr("href").or(loaded.attr("src")).unwrap();
        assert!(url.starts_with("/static/") && url.contains("?v="), "{name} loads {url}");
    }
    let mut ids: Vec<&str> = select(&html, "[id]").iter().map(|e| e.attr("id").unwrap()).collect();
    let (all, labels) = (ids.len(), select(&html, "label[for]"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{name}: an id stands twice");
    for reference in ["aria-describedby", "aria-labelledby"] {
        for element in select(&html, &format!("[{reference}]")) {
            let wanted = element.attr(reference).unwrap().split(' ');
            assert!(wanted.clone().all(|id| ids.contains(&id)), "{name}: {}", element.html());
        }
    }
    for input in select(&html, "input:not([type=hidden]), select, textarea") {
        let within = input.ancestors().filter_map(ElementRef::wrap).any(|e| e.value().name() == "label");
        let named = labels.iter().any(|label| label.attr("for") == input.attr("id"));
        assert!(within || named, "{name}: {}", input.html());
    }
    let mut buttons: Vec<String> = select(&html, "main button").into_iter().map(text).collect();
    assert!(buttons.iter().all(|text| !text.is_empty()), "{name}");
    let all = buttons.len();
    buttons.sort();
    buttons.dedup();
    assert_eq!(buttons.len(), all, "{name}: two buttons say the same: {buttons:?}");
    for form in select(&html, "form[method=post]") {
        let token = form.select(&Selector::parse("input[name=csrf]").unwrap()).count();
        assert_eq!(token, 1, "{name}: {}", form.attr("action").unwrap());
    }
}
