//! The page of a race on the night: what it offers to whom, what it says once it is called, and how it follows others.

use bellwether::domain::role::Role;
use bellwether::publishing::releasing;

use super::races::{ADA, AFTER, held, kim, prepared, release_form, releases};
use crate::stage::{Setup, Span, Stage, both};

both! {
    async fn who_types_a_wrong_number_on_the_race_s_page_stays_there(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let page = format!("/admin/races/{}", race.id);
        let mut editor = stage.editor("kim").await;
        let action = format!("/admin/desk/{}/release", race.moss);
        for (number, status, why) in [("7", 409, "It goes to 1 readers now, and 7 was typed."), ("many", 422, "Type the number")] {
            let shown = editor.sends(&page, &action, &format!("from=race&version=2&audience={number}")).await;
            assert_eq!(shown.status, status);
            shown.says(why);
            shown.says("Governor of Springfield");
            assert!(release_form(&shown, race.field).is_some() && release_form(&shown, race.moss).is_some());
        }
        let old = editor.sends(&page, &action, "from=race&version=1&audience=1").await;
        old.says("It was changed since you looked at it.");
        assert!(stage.issues().await.is_empty());
    }

    async fn who_may_not_release_asks_for_it_on_the_race_s_page(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"critical\"]").open().await;
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        let page = format!("/admin/races/{}", race.id);
        let ask = format!("/admin/desk/{}/ask", race.moss);
        let mut early = stage.colleague("earl", Role::Contributor).await;
        assert!(!early.opens(&page).await.body.contains(&ask), "it is too early");
        stage.advance_to(AFTER).await;
        let mut contributor = stage.colleague("cleo", Role::Contributor).await;
        assert!(contributor.opens(&page).await.body.contains(&ask));
        let asked = contributor.sends(&page, &ask, "from=race").await;
        assert_eq!(asked.header("location"), format!("{page}?done=asked"));
        let mut editor = stage.editor("kim").await;
        let shown = editor.opens(&page).await;
        shown.says("cleo@example.org asks for its release.");
        assert!(release_form(&shown, race.moss).is_some() && !shown.body.contains(&ask));
        let mut viewer = stage.colleague("vic", Role::Viewer).await;
        assert!(!viewer.opens(&page).await.body.contains("/ask"));
    }

    async fn outcomes_are_told_apart_by_their_names(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let page = format!("/admin/races/{}", race.id);
        let mut editor = stage.editor("kim").await;
        let long = "x".repeat(121);
        for (name, why) in [
            ("", "it needs a name"),
            ("moss WINS", "another outcome of the race is called “Moss wins”"),
            (long.as_str(), "a name has 120 characters at most"),
        ] {
            let shown = editor.sends(&page, &format!("{page}/outcomes"), &format!("name={name}")).await;
            assert_eq!(shown.status, 422, "{name}");
            shown.says(why);
            assert!(shown.body.contains(&format!("value=\"{name}\"")), "what was typed stays");
        }
        // At the desk it is saved as one types, and stands in the way of a release.
        let field = format!("/admin/desk/{}", race.field);
        let words = "subject=Field+wins&body=By+all+counts.&topic=election-alerts";
        editor.sends(&field, &field, &format!("outcome=MOSS+wins&{words}")).await;
        let shown = editor.opens(&page).await;
        shown.says("Name the outcome: another outcome of the race is called “Moss wins”.");
        assert!(release_form(&shown, race.field).is_none() && release_form(&shown, race.moss).is_none());
        let draft = editor.opens(&field).await;
        assert!(draft.body.contains("data-go disabled"), "the button looks as what it does");
        editor.sends(&field, &field, &format!("outcome=Field+wins&{words}")).await;
        let shown = editor.opens(&page).await;
        assert!(release_form(&shown, race.field).is_some() && release_form(&shown, race.moss).is_some());
        for n in 0..18 {
            let more = editor.sends(&page, &format!("{page}/outcomes"), &format!("name=Outcome+{n}")).await;
            assert_eq!(more.status, 303, "{n}");
        }
        let full = editor.sends("/admin/account", &format!("{page}/outcomes"), "name=One+more").await;
        assert_eq!(full.status, 422);
        full.says("A race has 20 outcomes at most");
    }

    async fn a_called_race_says_what_won_and_when_and_gets_out_of_the_way(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let page = format!("/admin/races/{}", race.id);
        let mut editor = stage.editor("kim").await;
        let issue = held(&releases(&stage, race.moss).await);
        let (undo, close) = (format!("/admin/live/{issue}/undo"), format!("{page}/close"));
        let shown = editor.opens(&page).await;
        shown.says("Nobody has it yet: it can still be undone.");
        assert!(shown.body.contains(&undo) && !shown.body.contains(&close));

        stage.advance(31.seconds()).await;
        let shown = editor.opens(&page).await;
        shown.says("Called: <strong>Moss wins</strong>, released by kim@example.org, Fri 30 Oct 2026, 20:00 EDT (America/New_York)");
        for gone in [&undo, "Undo", "stop it", "/release"] {
            assert!(!shown.body.contains(gone), "{gone} is left over");
        }
        for link in [&format!("/admin/live/{issue}?correct=yes#correct"), &format!("/a/{issue}"), &format!("?words={}#correct", race.field)] {
            assert!(shown.body.contains(link.as_str()), "{link}");
        }
        assert!(editor.opens(&format!("/admin/live/{issue}?correct=yes")).await.body.contains("data-correct open"));
        editor.opens("/admin/races").await.says("Moss wins · Fri 30 Oct 2026, 20:00 EDT");
        editor.sends(&page, &close, "").await;
        assert!(!editor.opens("/admin/races").await.body.contains(&page));
        assert!(editor.opens("/admin/races?past=yes").await.body.contains(&page));
        editor.opens(&page).await.says("It is put away, among the past races.");
        editor.sends(&page, &format!("{page}/reopen"), "").await;
        assert!(editor.opens("/admin/races").await.body.contains(&page));

        let live = format!("/admin/live/{issue}");
        let fields = "subject=Field+wins+the+election&body=Field+has+it.&link=";
        let corrected = editor.sends(&live, &format!("{live}/correct"), fields).await;
        let correction = corrected.header("location").split('?').next().unwrap().to_owned();
        let shown = editor.opens(&page).await;
        shown.says("It was corrected.");
        assert!(shown.body.contains(&correction) && !shown.body.contains("#correct"));
    }

    async fn undoing_leads_to_the_race_and_says_so_once(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let page = format!("/admin/races/{}", race.id);
        let mut editor = stage.editor("kim").await;
        let issue = held(&releases(&stage, race.moss).await);
        // Put away in the hold, it must not stay so with nothing released.
        editor.sends(&page, &format!("{page}/close"), "").await;
        let undone = editor.sends(&page, &format!("/admin/live/{issue}/undo"), "").await;
        assert_eq!(undone.header("location"), format!("{page}?done=undone"));
        for (path, forms) in [(page.clone(), 2), (format!("/admin/desk/{}", race.moss), 1)] {
            let shown = editor.opens(&format!("{path}?done=undone")).await;
            assert_eq!(shown.body.matches("Nobody got it.").count(), 1, "{}", shown.body);
            assert_eq!(shown.body.matches("/release\"").count(), forms);
            editor.opens(&path).await.says("The release was undone. Nobody got it.");
        }
    }

    async fn what_its_page_goes_by_changes_with_whatever_others_do(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        let page = format!("/admin/races/{}", race.id);
        let state = format!("{page}/state");
        stage.advance_to("2026-10-30T23:59:59Z").await;
        let mut viewer = stage.colleague("vic", Role::Viewer).await;
        let mut seen = vec![viewer.opens(&state).await.body];
        let shown = viewer.opens(&page).await;
        assert!(shown.body.contains(&format!("data-race=\"{}\"", race.id)) && shown.body.contains("race.js"));
        let mut other = async |what: &str| {
            let now = viewer.opens(&state).await.body;
            assert_ne!(seen.last(), Some(&now), "{what}");
            assert_eq!(viewer.opens(&state).await.body, now, "nothing happened");
            seen.push(now);
        };
        stage.advance_to(AFTER).await;
        other("its moment came").await;
        let issue = held(&releases(&stage, race.moss).await);
        other("one was released").await;
        releasing::undo(&stage.cx, &kim(), issue).await.unwrap();
        other("it was undone").await;
        let issue = held(&releases(&stage, race.field).await);
        other("the other was released").await;
        stage.advance(30.seconds()).await;
        other("it is out").await;
        releasing::stop(&stage.cx, &kim(), issue).await.unwrap();
    }
}
