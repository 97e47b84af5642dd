//! What is asked again, and what never is.

use futures_util::future::join_all;
use switchboard_domain::ports::{Created, GatewayError, WhatsAppGateway};

use crate::support::{Answer, CALLS, Scripted, at, call, fixture, labels};

const NEVER_REPEATED: [&str; 4] = ["restart", "logout", "pairing", "refresh"];

fn locked() -> Answer {
    Answer::json(500, r#"{"statusCode":500,"exception":{"message":"async-lock timed out in queue lock1"}}"#)
}

#[tokio::test]
async fn what_may_be_repeated_is_tried_three_times_and_the_rest_once() {
    for answer in [Answer::json(500, "{}"), Answer::json(503, ""), Answer::reset(), Answer::cut(200, "[")] {
        join_all(CALLS.map(async |name| {
            let waha = Scripted::playing([answer.clone()]).await;
            let result = call(&waha.gateway(), name).await;
            let times = if NEVER_REPEATED.contains(&name) { 1 } else { 3 };
            assert_eq!(waha.targets().len(), times, "{name}: {answer:?}");
            assert!(result.is_err(), "{name}");
        }))
        .await;
    }
}

#[tokio::test]
async fn a_lock_is_not_waited_for_twice() {
    for name in CALLS {
        let waha = Scripted::playing([locked()]).await;
        let result = call(&waha.gateway(), name).await;
        assert!(matches!(result, Err(GatewayError::Unavailable(_))), "{name}: {result:?}");
        assert_eq!(waha.targets().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_goes_on_in_waha_is_not_started_again() {
    let goes_on = r#"{"statusCode":500,"exception":{"message":"Maximum execution time is exceeded in queue lock1"}}"#;
    for answer in [Answer::json(500, goes_on), Answer::json(504, "")] {
        for name in CALLS {
            let waha = Scripted::playing([answer.clone()]).await;
            let result = call(&waha.gateway(), name).await;
            assert!(matches!(result, Err(GatewayError::Timeout)), "{name}: {result:?}");
            assert_eq!(waha.targets().len(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn one_fault_is_not_noticed() {
    let waha =
        Scripted::playing([Answer::json(500, "{}"), Answer::reset(), Answer::json(200, fixture!("groups-noweb.json"))])
            .await;
    assert_eq!(waha.gateway().groups(&at("user42")).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_finds_its_own_session() {
    let waha = Scripted::playing([Answer::reset(), Answer::json(422, fixture!("already-exists.json"))]).await;
    assert_eq!(waha.gateway().create(&at("user42"), &labels()).await.unwrap(), Created::Existed);
}

#[tokio::test]
async fn after_a_lost_answer_a_definite_no_is_not_one() {
    for no in [Answer::json(503, ""), locked(), Answer::json(403, "{}"), Answer::json(429, "{}")] {
        for (name, changes) in [("create", true), ("start", true), ("delete", true), ("session", false)] {
            let waha = Scripted::playing([Answer::reset(), no.clone()]).await;
            let error = call(&waha.gateway(), name).await.unwrap_err();
            assert_eq!(error.outcome_is_unknown(), changes, "{name} {no:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn after_a_lost_answer_an_absent_session_is_still_absent() {
    let waha = Scripted::playing([Answer::reset(), Answer::json(404, fixture!("session-not-found.json"))]).await;
    let result = waha.gateway().start(&at("user42")).await;
    assert!(matches!(result, Err(GatewayError::NoSession)), "{result:?}");
}
