//! What the sample newspaper has to print, in the order in which it is published: some articles about an election in
//! a place that doesn't exist, and then updates of the election night without end.

use std::sync::LazyLock;

use pulldown_cmark::{Options, Parser, html::push_html};

/// One article, without the time of its publication.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Article {
    /// Counts from 1, in the order of publication.
    pub number: usize,
    /// Its place in the address: `/{slug}/`.
    pub slug: String,
    pub title: String,
    pub author: String,
    pub section: String,
    /// The name of its picture.
    pub picture: String,
    pub summary: String,
    /// The text as HTML; our own, so it needs no cleaning.
    pub html: String,
}

/// How many articles a new site has before anybody presses a button.
pub const AT_START: usize = 6;

macro_rules! written {
    ($($file:literal)+) => { [$(($file, include_str!(concat!("articles/", $file, ".md")))),+] };
}

const WRITTEN: [(&str, &str); 14] = written! {
    "01-ballot-guide" "02-ferry-levy-in-numbers" "03-quay-debate" "04-oxter-light" "05-polling-places-move"
    "06-early-votes-record" "07-fog-delays-island-ballots" "08-noon-turnout" "09-penfallow-open-until-nine"
    "10-polls-are-closed" "11-lanthorne-leads-first-count" "12-ferry-levy-passes" "13-commissioner-recount"
    "14-lanthorne-wins-chair"
};

static ARTICLES: LazyLock<Vec<Article>> = LazyLock::new(|| {
    WRITTEN.iter().zip(1..).map(|((file, text), number)| read(number, file, text)).collect()
});

/// The article of that number (from 1). Beyond the written ones it is an update of the election night.
pub fn article(number: usize) -> Article {
    let written = number.checked_sub(1).and_then(|index| ARTICLES.get(index));
    written.cloned().unwrap_or_else(|| update(number, number.saturating_sub(WRITTEN.len())))
}

/// Reads an article's file: `key: value` lines, an empty line, and the text in markdown.
fn read(number: usize, file: &str, text: &str) -> Article {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let value = |key: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    Article {
        number,
        slug: file.split_once('-').map_or(file, |(_, slug)| slug).to_owned(),
        title: value("title"),
        author: value("author"),
        section: value("section"),
        picture: value("picture"),
        summary: value("summary"),
        html: html(body),
    }
}

fn update(number: usize, update: usize) -> Article {
    const AREAS: [&str; 5] = ["Lower Quay", "Marrowhythe", "Gull Island", "Oxter Point", "Penfallow"];
    const SAYINGS: [&str; 4] = [
        "The tea is holding out.",
        "One bundle was counted a third time, because a gull had taken an interest in it.",
        "The candidates' watchers have begun to share their sandwiches.",
        "The board has run out of chalk; a school has sent some over.",
    ];
    let area = AREAS.iter().cycle().nth(update % AREAS.len()).copied().unwrap_or_default();
    let saying = SAYINGS.iter().cycle().nth(update % SAYINGS.len()).copied().unwrap_or_default();
    let bundles = update.saturating_mul(7).saturating_add(12);
    let votes = bundles.saturating_mul(100);
    Article {
        number,
        slug: format!("election-night-update-{update}"),
        title: format!("Election night, update {update}: {area} checks its count"),
        author: "The election desk".to_owned(),
        section: "Elections".to_owned(),
        picture: "results".to_owned(),
        summary: format!(
            "{bundles} bundles of the commissioner's recount are done. The order of the names is as it was."
        ),
        html: html(&format!(
            "The recount goes on in the Corn Exchange. After **{bundles} bundles**, {votes} votes in all, the \
             order of the candidates has not changed.\n\n{area} is at the tables now. {saying}\n\nThe next update \
             follows as soon as there is something to say."
        )),
    }
}

fn html(markdown: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, Parser::new_ext(markdown, Options::ENABLE_SMART_PUNCTUATION));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_article_is_complete_and_none_is_there_twice() {
        let mut slugs = std::collections::BTreeSet::new();
        for number in 1..=40 {
            let article = article(number);
            assert_eq!(article.number, number);
            for part in [&article.title, &article.author, &article.section, &article.summary, &article.html] {
                assert!(!part.is_empty(), "{article:?}");
            }
            assert!(
                crate::cli::demo::site::pictures::names().any(|name| name == article.picture),
                "{article:?}"
            );
            assert!(slugs.insert(article.slug), "two articles at one address");
        }
    }
}
