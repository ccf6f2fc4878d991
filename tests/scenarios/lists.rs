//! Lists in and out by the command line.

use super::commands::{Installation, complaint};

#[test]
fn an_import_wants_to_be_told_that_everybody_agreed() {
    let here = Installation::new();
    here.write("readers.csv", "email\nada@example.org\n");
    let refused = here.run(&["subscribers", "import", "readers.csv", "--topic", "election-alerts"]);
    assert_eq!(refused.code, 2);
    assert!(complaint(&refused).contains("--confirmed"));
    assert_eq!(here.run(&["subscribers", "show", "ada@example.org"]).code, 1);
}

#[test]
fn who_left_by_any_row_of_a_file_is_not_imported_by_another() {
    let here = Installation::new();
    here.write(
        "readers.csv",
        "email,state\nada@example.org,active\nbob@example.org,active\nADA@example.org,unsubscribed\n",
    );
    let import = ["subscribers", "import", "readers.csv", "--topic", "election-alerts", "--confirmed"];
    let report = here.json(&[&import[..], &["--json"]].concat());
    assert_eq!(
        (&report["added"], &report["left_out"], &report["duplicates"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(here.run(&["subscribers", "show", "ada@example.org"]).code, 1);
    assert_eq!(here.run(&["subscribers", "show", "bob@example.org"]).code, 0);
}

#[test]
fn an_import_takes_the_good_rows_and_reports_the_bad_ones() {
    let here = Installation::new();
    here.write(
        "readers.csv",
        "email,topics,digest,name\nada@example.org,,weekly,Ada\nbad@,,,\nADA@example.org,culture,none,\n\
         bob@example.org,weather,,\ncy@example.org,,,\n",
    );
    let import =
        ["subscribers", "import", "readers.csv", "--topic", "election-alerts", "--no-alerts", "--confirmed"];
    let ran = here.run(&import);
    assert_eq!(ran.code, 0);
    let counts: Vec<_> = ran.out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(counts, ["2", "0", "0", "1", "2", "Columns"], "{}", ran.out);
    let bad: Vec<_> = ran.err.lines().collect();
    assert!(bad[0].starts_with("readers.csv, line 3: email: "), "{bad:?}");
    assert!(bad[1].starts_with("readers.csv, line 5: there is no topic \"weather\""), "{bad:?}");

    // The second row of an address brings the topic that the first lacked.
    let ada = here.json(&["subscribers", "show", "ada@example.org", "--json"]);
    assert_eq!(
        ada["subscriber"]["subscriptions"],
        serde_json::json!([
            { "topic": "election-alerts", "alerts": false, "digest": "weekly" },
            { "topic": "culture", "alerts": false, "digest": "none" },
        ])
    );
    let cy = here.json(&["subscribers", "show", "cy@example.org", "--json"]);
    assert_eq!(cy["subscriber"]["subscriptions"][0]["digest"], "daily");
    assert_eq!(cy["subscriber"]["consents"][0]["detail"]["file"], "readers.csv");

    here.write("readers.csv", "email\nnobody\n");
    assert_eq!(here.run(&import).code, 1, "no row could be read");
}

#[test]
fn an_import_never_revives_who_left_or_was_erased() {
    let here = Installation::new();
    let readers = "email\nada@example.org\nbob@example.org\ncy@example.org\n";
    assert_eq!(here.import(readers)["added"], 3);
    here.output(&["subscribers", "remove", "ada@example.org"]);
    here.output(&["subscribers", "erase", "bob@example.org", "--yes"]);

    let again = here.import(readers);
    assert_eq!((&again["added"], &again["known"], &again["left_out"]), (&0.into(), &1.into(), &2.into()));
    let ada = here.json(&["subscribers", "show", "ada@example.org", "--json"]);
    assert_eq!(ada["subscriber"]["state"], "unsubscribed");
    let bob = here.json(&["subscribers", "show", "bob@example.org", "--json"]);
    assert_eq!(bob["subscriber"], serde_json::Value::Null);
}

#[test]
fn an_export_is_imported_elsewhere_as_it_was_without_those_who_left() {
    let here = Installation::new();
    here.import(
        "email,topics,alerts,digest,confirmed_at\n\
         ada@example.org,election-alerts culture,true,weekly,2026-01-02\n\
         +bob@example.org,culture,false,daily,2026-01-03\n\
         +bob@example.org,election-alerts,true,none,2026-01-03\n\
         cy@example.org,,,,\n",
    );
    here.output(&["subscribers", "remove", "cy@example.org"]);
    let export = here.output(&["subscribers", "export"]);
    assert_eq!(
        export.lines().take(4).collect::<Vec<_>>(),
        [
            "email,state,topics,alerts,digest,confirmed_at",
            "ada@example.org,active,culture|election-alerts,true,weekly,2026-01-02T00:00:00Z",
            "'+bob@example.org,active,culture,false,daily,2026-01-03T00:00:00Z",
            "'+bob@example.org,active,election-alerts,true,none,2026-01-03T00:00:00Z",
        ]
    );
    assert!(export.contains("\ncy@example.org,unsubscribed,"));

    let elsewhere = Installation::new();
    let report = elsewhere.import(&export);
    let counts = ["added", "left_out", "duplicates"].map(|count| report[count].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1], "{report}");
    let active: Vec<_> = export.lines().filter(|line| !line.contains(",unsubscribed,")).collect();
    assert_eq!(elsewhere.output(&["subscribers", "export"]).lines().collect::<Vec<_>>(), active);
}
