//! Prepared alerts: the outcomes of a race, none of which goes out before its moment, and one alone.

use bellwether::audit::Actor;
use bellwether::domain::role::Role;
use bellwether::publishing::{
    desk,
    races::{self, Bar, Moved, Wanted},
    releasing::{self, Release, Undone},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Page, Setup, Span, Stage, both, form_token};

pub(super) const ADA: &str = "ada@example.com";
/// In New York, eight in the evening of the day on which stories begin.
const CLOSE: &str = "2026-10-31T00:00:00Z";
pub(super) const AFTER: &str = "2026-10-31T00:00:01Z";

pub(super) fn kim() -> Actor {
    Actor::user("kim@example.org", "")
}

pub(super) struct Race {
    pub id: Uuid,
    pub moss: Uuid,
    pub field: Uuid,
}

/// Field against Moss, both written by Lou.
pub(super) async fn prepared(stage: &Stage) -> Race {
    let lou = Actor::user("lou@example.org", "");
    let wanted = Wanted {
        name: "Governor of Springfield".to_owned(),
        not_before: bellwether::domain::time::Timestamp::parse_rfc3339(CLOSE).unwrap(),
        timezone: "America/New_York".to_owned(),
        open_now: false,
        topics: vec!["election-alerts".to_owned()],
    };
    let id = races::create(&stage.cx, &lou, &wanted).await.unwrap();
    let mut drafts = Vec::new();
    for name in ["Moss", "Field"] {
        let draft = desk::create_outcome(&stage.cx, &lou, id, &format!("{name} wins")).await.unwrap();
        let written = desk::find(&stage.cx, draft).await.unwrap().unwrap();
        assert_eq!(written.text.topics, ["election-alerts"]);
        let mut text = written.text.clone();
        text.subject = format!("{name} wins the election");
        text.body = format!("{name} has it, by all counts.");
        desk::save(&stage.cx, &lou, draft, &written.text, text).await.unwrap().unwrap();
        drafts.push(draft);
    }
    Race { id, moss: drafts[0], field: drafts[1] }
}

pub(super) async fn releases(stage: &Stage, draft: Uuid) -> Release {
    let version = desk::find(&stage.cx, draft).await.unwrap().unwrap().draft.version;
    releasing::release(&stage.cx, &kim(), draft, version, 1, None).await.unwrap().unwrap()
}

pub(super) fn held(release: &Release) -> Uuid {
    let Release::Held { issue, .. } = release else { panic!("{release:?}") };
    *issue
}

fn is_retired_by(release: &Release, by: &str) -> bool {
    matches!(release, Release::Barred(Bar::Retired(outcome)) if outcome == by)
}

/// The form on a race's page that releases an outcome.
pub(super) fn release_form(page: &Page, draft: Uuid) -> Option<String> {
    let action = format!("/admin/desk/{draft}/release");
    let html = scraper::Html::parse_document(&page.body);
    let form = scraper::Selector::parse(&format!("form[action='{action}']")).unwrap();
    let version = scraper::Selector::parse("input[name=version]").unwrap();
    let form = html.select(&form).next()?;
    Some(form.select(&version).next().unwrap().value().attr("value").unwrap().to_owned())
}

both! {
    async fn before_the_polls_close_nobody_releases_it_whatever_their_role(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        let (page, draft) = (format!("/admin/races/{}", race.id), format!("/admin/desk/{}", race.moss));
        stage.advance_to("2026-10-30T23:59:59Z").await;
        for role in [Role::Owner, Role::Editor, Role::Contributor] {
            let name = role.as_str();
            let mut colleague = stage.colleague(name, role).await;
            let shown = colleague.opens(&page).await;
            shown.says("Fri 30 Oct 2026, 20:00 EDT (America/New_York)");
            assert!(release_form(&shown, race.moss).is_none() && release_form(&shown, race.field).is_none());
            let shown = colleague.opens(&draft).await;
            shown.says("It can’t be released before Fri 30 Oct 2026, 20:00 EDT");
            assert!(release_form(&shown, race.moss).is_none());
            // A page that is old, or somebody who knows the address.
            let answer = colleague.sends(&draft, &format!("{draft}/release"), "version=2&audience=1").await;
            assert_eq!(answer.status, if role == Role::Contributor { 403 } else { 409 }, "{name}");
            let program = stage.program(name, role).await;
            let release = format!("/drafts/{}/release", race.moss);
            let answer = program.posts_once("key-1", &release, &json!({ "audience": 1 })).await;
            match role {
                Role::Contributor => assert_eq!(answer.status, 403),
                _ => {
                    let problem = answer.fails(409, "too-early");
                    assert_eq!(problem["not_before"], CLOSE, "{problem}");
                }
            }
        }
        stage.advance(1.seconds()).await;
        assert!(stage.issues().await.is_empty());
        held(&releases(&stage, race.moss).await);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Moss wins the election"]);
    }

    async fn from_the_desk_it_is_two_clicks_a_number_and_the_hold(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let mut editor = stage.editor("kim").await;
        let desk = editor.opens("/admin/desk").await;
        let link = format!("/admin/races/{}", race.id);
        assert!(desk.body.find(&link).unwrap() < desk.body.find("id=\"drafts\"").unwrap(), "races stand first");
        desk.says("No draft is open");
        let page = editor.opens(&link).await;
        page.says("Moss wins: release");
        let version = release_form(&page, race.field).unwrap();
        let fields = format!("csrf={}&version={version}&audience=1", form_token(&page.body));
        let released = editor.posts(&format!("/admin/desk/{}/release", race.field), &fields).await;
        assert_eq!(released.status, 303, "{}", released.body);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Field wins the election"]);
        let page = editor.opens(&link).await;
        page.says("released by kim@example.org");
        assert!(release_form(&page, race.moss).is_none());
        assert!(!editor.opens("/admin/desk").await.body.contains(&link), "it is called");
    }

    async fn releasing_one_retires_the_others_and_undoing_it_brings_them_back(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let issue = held(&releases(&stage, race.moss).await);
        assert!(is_retired_by(&releases(&stage, race.field).await, "Moss wins"));
        let mut editor = stage.editor("kim").await;
        let path = format!("/admin/desk/{}", race.field);
        editor.opens(&path).await.says("It is retired by “Moss wins”");
        assert_eq!(editor.sends(&path, &format!("{path}/release"), "version=2&audience=1").await.status, 409);

        assert_eq!(releasing::undo(&stage.cx, &kim(), issue).await.unwrap(), Undone::Yes);
        let other = held(&releases(&stage, race.field).await);
        assert!(is_retired_by(&releases(&stage, race.moss).await, "Field wins"));
        // Stopping in the hold is undoing.
        releasing::stop(&stage.cx, &kim(), other).await.unwrap();
        held(&releases(&stage, race.moss).await);
        stage.advance(30.seconds()).await;
        assert!(is_retired_by(&releases(&stage, race.field).await, "Moss wins"), "for good");
        stage.advance(1.hour()).await;
        assert_eq!(stage.subjects(ADA), ["Moss wins the election"]);
    }

    async fn of_two_who_release_two_outcomes_at_once_one_wins(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let both = tokio::join!(releases(&stage, race.moss), releases(&stage, race.field));
        let won = match &both {
            (Release::Held { .. }, lost) if is_retired_by(lost, "Moss wins") => "Moss wins the election",
            (lost, Release::Held { .. }) if is_retired_by(lost, "Field wins") => "Field wins the election",
            other => panic!("{other:?}"),
        };
        stage.advance(30.seconds()).await;
        assert_eq!((stage.subjects(ADA), stage.issues().await.len()), (vec![won.to_owned()], 1));
    }

    async fn a_service_that_is_down_when_the_hold_ends_calls_no_race(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        held(&releases(&stage, race.moss).await);
        let stage = stage.restarted().await;
        assert!(is_retired_by(&releases(&stage, race.field).await, "Moss wins"), "over a restart");
        stage.advance(10.minutes()).await;
        assert!(stage.subjects(ADA).is_empty());
        held(&releases(&stage, race.field).await);
        stage.advance(30.seconds()).await;
        assert_eq!(stage.subjects(ADA), ["Field wins the election"]);
    }

    async fn a_race_that_was_called_wrong_is_corrected_with_the_words_of_another_outcome(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let issue = held(&releases(&stage, race.moss).await);
        stage.advance(30.seconds()).await;
        let mut editor = stage.editor("kim").await;
        let live = format!("/admin/live/{issue}");
        editor.opens(&live).await.says("Begin with what was prepared");
        let page = editor.opens(&format!("{live}?words={}", race.field)).await;
        assert!(page.body.contains("value=\"Field wins the election\"") && page.body.contains("Field has it, by all counts."));
        let fields = "subject=Field+wins+the+election&body=Field+has+it.&link=";
        assert_eq!(editor.sends(&live, &format!("{live}/correct"), fields).await.status, 303);
        stage.settle().await;
        assert_eq!(stage.subjects(ADA), ["Moss wins the election", "Correction: Field wins the election"]);
        assert!(is_retired_by(&releases(&stage, race.field).await, "Moss wins"), "the race stays called");
    }

    async fn only_an_owner_moves_the_moment_and_types_the_race_s_name(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        let page = format!("/admin/races/{}", race.id);
        let fields = "at=2026-10-30T06:00&timezone=America/New_York&typed=";
        let mut editor = stage.editor("kim").await;
        assert!(!editor.opens(&page).await.body.contains(&format!("{page}/moment")));
        let typed = format!("{fields}Governor+of+Springfield");
        assert_eq!(editor.sends(&page, &format!("{page}/moment"), &typed).await.status, 403);
        let mut owner = stage.owner("olga").await;
        for wrong in [fields.to_owned(), format!("{fields}yes"), "at=noon&timezone=UTC&typed=Governor+of+Springfield".to_owned()] {
            assert_eq!(owner.sends(&page, &format!("{page}/moment"), &wrong).await.status, 422, "{wrong}");
        }
        assert!(matches!(releases(&stage, race.moss).await, Release::Barred(Bar::TooEarly(..))));
        let passed = owner.sends(&page, &format!("{page}/moment"), &typed).await;
        assert_eq!(passed.status, 422);
        passed.says("Fri 30 Oct 2026, 06:00 EDT (America/New_York) has passed");
        passed.says("Open it now");
        assert!(passed.body.contains("value=\"2026-10-30T06:00\"") && passed.body.contains("value=\"Governor of Springfield\""));
        let answer = owner.sends(&page, &format!("{page}/moment"), &format!("{typed}&open_now=yes")).await;
        assert_eq!(answer.header("location"), format!("{page}?done=moved"));
        held(&releases(&stage, race.moss).await);
        let late = (stage.now(), "UTC", true);
        let moved = races::move_to(&stage.cx, &kim(), race.id, late, "Governor of Springfield").await.unwrap();
        assert_eq!(moved, Moved::TooLate, "it is called");
        let changes = stage.changes().await;
        assert!(changes.iter().any(|it| it.starts_with("olga@example.org: moved the moment of race")), "{changes:?}");
    }

    async fn what_is_put_away_is_not_released_and_can_be_taken_out(stage: Stage) {
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let page = format!("/admin/races/{}", race.id);
        let mut editor = stage.editor("kim").await;
        editor.sends(&page, &format!("{page}/close"), "").await;
        assert!(matches!(releases(&stage, race.moss).await, Release::Barred(Bar::Closed)));
        editor.opens(&page).await.says("put away");
        assert!(!editor.opens("/admin/desk").await.body.contains(&page));
        editor.sends(&page, &format!("{page}/reopen"), "").await;
        held(&releases(&stage, race.moss).await);
    }

    async fn a_race_is_prepared_on_a_page_and_each_outcome_is_a_draft(stage: Stage) {
        let mut editor = stage.editor("kim").await;
        editor.opens("/admin/races").await.says("<option value=\"America/New_York\">");
        let page = editor.fills_in("/admin/races", "name=Mayor&at=2026-11-03T20:00&timezone=America/New_York&topic=election-alerts").await;
        assert_eq!(page.status, 303, "{}", page.body);
        let path = page.header("location").to_owned();
        editor.opens(&path).await.says("Tue 3 Nov 2026, 20:00 EST (America/New_York)");
        let draft = editor.sends(&path, &format!("{path}/outcomes"), "name=Runoff").await;
        let draft = draft.header("location").to_owned();
        let shown = editor.opens(&draft).await;
        shown.says("Mayor");
        assert!(shown.body.contains("name=\"outcome\"") && shown.body.contains("value=\"Runoff\""), "{}", shown.body);
        assert_eq!(editor.sends(&draft, &draft, "outcome=A+runoff&subject=Runoff&topic=election-alerts").await.status, 303);
        editor.opens(&path).await.says("A runoff");
        editor.opens("/admin/races").await.says("A runoff");
        assert_eq!(editor.sends(&path, &path, "name=Mayor+of+Springfield").await.status, 303);
        editor.opens("/admin/desk").await.says("Mayor of Springfield");
        for (fields, why) in [
            ("name=&at=2026-11-03T20:00&timezone=UTC", "it needs a name"),
            ("name=Mayor&at=soon&timezone=UTC", "write a date and a time"),
            ("name=Mayor&at=2026-11-03T20:00&timezone=New+York", "America/New_York"),
            ("name=Mayor&at=2026-10-30T08:00&timezone=UTC", "Fri 30 Oct 2026, 08:00 UTC has passed"),
            ("name=Mayor&at=2026-11-03T20:00&timezone=UTC&topic=no-such", "a topic is gone meanwhile"),
        ] {
            let page = editor.fills_in("/admin/races", &format!("{fields}&topic=election-alerts")).await;
            assert_eq!(page.status, 422);
            page.says(why);
            for (name, value) in url::form_urlencoded::parse(fields.as_bytes()).filter(|(name, _)| name != "topic") {
                assert!(page.body.contains(&format!("value=\"{value}\"")), "{name} is lost: {}", page.body);
            }
            assert!(page.body.contains("value=\"election-alerts\" checked"), "{}", page.body);
        }
        let now = "name=Recount&at=2026-10-30T08:00&timezone=UTC&open_now=yes";
        let open = editor.fills_in("/admin/races", now).await.header("location").to_owned();
        editor.opens(&open).await.says("Fri 30 Oct 2026, 08:00 UTC</time>");
        assert_eq!(editor.sends(&path, &format!("{path}/outcomes"), "name=+").await.status, 422);
    }

    async fn where_two_people_are_asked_for_they_are_in_a_race_as_well(setup: Setup) {
        let stage = setup.with("newsroom.two_person", "[\"all\"]").open().await;
        stage.imported(ADA).await;
        let race = prepared(&stage).await;
        stage.advance_to(AFTER).await;
        let version = desk::find(&stage.cx, race.moss).await.unwrap().unwrap().draft.version;
        let lou = Actor::user("lou@example.org", "");
        let alone = releasing::release(&stage.cx, &lou, race.moss, version, 1, None).await.unwrap().unwrap();
        assert!(matches!(alone, Release::SecondPerson));
        held(&releases(&stage, race.moss).await);
    }

    async fn programs_prepare_and_call_a_race(stage: Stage) {
        stage.imported(ADA).await;
        let desk = stage.program("desk", Role::Editor).await;
        let race = json!({ "name": "Mayor", "not_before": CLOSE, "timezone": "America/New_York", "topics": ["election-alerts"] });
        let race = desk.posts("/races", &race).await.is(201);
        assert_eq!((&race["state"], &race["outcomes"], &race["called"]), (&json!("waiting"), &json!([]), &Value::Null));
        let id = race["id"].as_str().unwrap().to_owned();
        let path = format!("/races/{id}");
        let mut drafts = Vec::new();
        for name in ["Moss wins", "Field wins"] {
            let draft = json!({ "race": id, "outcome": name, "subject": name, "markdown": "By all counts." });
            let draft = desk.posts("/drafts", &draft).await.is(201);
            assert_eq!((&draft["race"], &draft["outcome"], &draft["topics"]), (&json!(id), &json!(name), &json!(["election-alerts"])));
            assert!(draft["barred"].as_str().unwrap().contains("20:00 EDT"), "{draft}");
            drafts.push(format!("/drafts/{}", draft["id"].as_str().unwrap()));
        }
        for (field, value) in [("race", json!(Uuid::from_u128(7))), ("race", json!(id)), ("outcome", json!("Nobody wins"))] {
            desk.posts("/drafts", &json!({ field: value })).await.fails(422, "");
        }
        for (outcome, race) in [("moss WINS ", true), ("x".repeat(121).as_str(), true), (" ", true), ("MOSS wins", false)] {
            let answer = match race {
                true => desk.posts("/drafts", &json!({ "race": id, "outcome": outcome })).await,
                false => desk.patches(&drafts[1], &json!({ "version": 1, "outcome": outcome })).await,
            };
            assert_eq!(answer.fails(422, "")["errors"][0]["pointer"], "/outcome", "{outcome}");
        }
        assert_eq!(desk.patches(&drafts[1], &json!({ "version": 1, "outcome": "Field takes it" })).await.is(200)["outcome"], "Field takes it");
        let plain = desk.posts("/drafts", &json!({})).await.is(201);
        let plain = format!("/drafts/{}", plain["id"].as_str().unwrap());
        desk.patches(&plain, &json!({ "version": 1, "outcome": "x" })).await.fails(422, "");

        let moment = json!({ "not_before": "2026-10-30T00:00:00Z", "confirm": "Mayor" });
        assert_eq!(desk.posts(&format!("{path}/moment"), &moment).await.status, 403);
        desk.patches(&path, &json!({ "not_before": CLOSE })).await.fails(422, "");
        let owner = stage.program("owner", Role::Owner).await;
        owner.posts(&format!("{path}/moment"), &json!({ "not_before": CLOSE, "confirm": "yes" })).await.fails(422, "");
        let mut careful = moment.clone();
        careful["open_now"] = json!(false);
        owner.posts(&format!("{path}/moment"), &careful).await.fails(422, "");
        assert_eq!(owner.posts(&format!("{path}/moment"), &moment).await.is(200)["state"], "open");
        let recount = json!({ "name": "Recount", "not_before": "2026-10-30T00:00:00Z", "open_now": false });
        desk.posts("/races", &recount).await.fails(422, "");

        let release = |draft: &str| format!("{draft}/release");
        let released = desk.posts_once("key-1", &release(&drafts[0]), &json!({ "audience": 1 })).await.is(202);
        let problem = desk.posts_once("key-2", &release(&drafts[1]), &json!({ "audience": 1 })).await.fails(409, "retired");
        assert_eq!(problem["outcome"], "Moss wins");
        let called = desk.gets(&path).await.is(200);
        assert_eq!((&called["state"], &called["called"]["issue"]), (&json!("called"), &released["id"]));
        assert_eq!((&called["outcomes"][0]["retired"], &called["outcomes"][1]["retired"]), (&json!(false), &json!(true)));
        let closed = desk.posts(&format!("{path}/close"), &json!({})).await.is(200);
        assert_eq!((&closed["state"], closed["closed_at"].is_string()), (&json!("called"), true));
        desk.posts(&format!("/issues/{}/undo", released["id"].as_str().unwrap()), &json!({})).await.is(200);
        assert_eq!(desk.posts(&format!("{path}/close"), &json!({})).await.is(200)["state"], "closed");
        desk.posts_once("key-3", &release(&drafts[1]), &json!({ "audience": 1 })).await.fails(409, "race-closed");
        assert_eq!(desk.posts(&format!("{path}/reopen"), &json!({})).await.is(200)["state"], "open");
        assert_eq!(desk.patches(&path, &json!({ "name": "Mayor of Springfield" })).await.is(200)["name"], "Mayor of Springfield");
        let list = desk.gets("/races?limit=1").await.is(200);
        assert_eq!((list["races"].as_array().unwrap().len(), list["next_cursor"].is_null()), (1, true));
        desk.gets("/races?state=open").await.fails(400, "");
        desk.gets("/races/7").await.fails(404, "");
        desk.posts("/races", &json!({ "name": "Mayor", "not_before": CLOSE, "timezone": "Atlantis" })).await.fails(422, "");
        desk.posts("/races", &json!({ "name": "Mayor", "not_before": CLOSE, "topics": ["no-such"] })).await.fails(422, "");
    }
}
