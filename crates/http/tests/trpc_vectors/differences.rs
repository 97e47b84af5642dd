//! Where we answer otherwise than tRPC on purpose.

use serde_json::{Value as Json, json};

use crate::vector::Answer;

/// What is different, and why.
pub(crate) struct Difference {
    /// The recordings, less the transformer at the end of their names.
    names: &'static [&'static str],
    pub(crate) reason: &'static str,
    change: Change,
}

enum Change {
    /// The message of the error (in a batch: of the first) begins so.
    Message(&'static str),
    /// The answer is that of another recording, of the same transformer.
    As(&'static str),
    /// The answer is changed like this.
    Edit(fn(&mut Answer)),
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        names: &[
            "batch.raw.malformed",
            "body.malformedJSON",
            "body.malformedJSON2",
            "get.malformedInput",
            "get.malformedInput.percent",
            "sse.raw.malformedInput",
            "stream.malformedInput",
        ],
        reason: "malformed JSON is described in other words than V8's",
        change: Change::Message("The input is not valid JSON: "),
    },
    Difference {
        names: &["err.ctxThrow.plain", "err.thrown"],
        reason: "an internal error has a fixed message, never its cause's",
        change: Change::Message("Internal server error"),
    },
    Difference {
        names: &["sse.mixTrackedUntracked", "sse.ping", "sse.raw.lastEventIdUntracked", "sse.untracked"],
        reason: "every event of a subscription has an id, so that a client can always go on where it was",
        change: Change::Edit(tracked),
    },
    Difference {
        names: &["infinite.cursorNull"],
        reason: "a null cursor is 0",
        change: Change::As("infinite.direction.cursor0"),
    },
    Difference {
        names: &["err.badInput.multi", "err.badInput.multi.t3"],
        reason: "a null cursor is no issue beside others",
        change: Change::Edit(without_the_cursor),
    },
    Difference {
        names: &["body.superjson.rawInput"],
        reason: "an input that is no superjson document is plain, and so is its answer",
        change: Change::Edit(|answer| {
            answer.status = 200;
            answer.body = Some(json!({"result": {"data": {"$plain": {"success": true}}}}));
        }),
    },
    Difference {
        names: &["get.superjson.null"],
        reason: "an input that is no superjson document is plain, and so is its error",
        change: Change::Edit(|answer| plain_error(answer, "null")),
    },
    Difference {
        names: &["get.superjson.number"],
        reason: "an input that is no superjson document is plain, and so is its error",
        change: Change::Edit(|answer| plain_error(answer, "number")),
    },
];

impl Difference {
    pub(crate) fn of(vector: &str) -> Option<&'static Self> {
        let recording = vector.rsplit_once('.')?.0;
        DIFFERENCES.iter().find(|difference| difference.names.contains(&recording))
    }

    /// What is expected of us. `recording` finds a recorded answer by the start of its name.
    pub(crate) fn expected(&self, recorded: &Answer, ours: &Answer, recording: impl Fn(&str) -> Answer) -> Answer {
        let mut expected = recorded.clone();
        match self.change {
            Change::Message(beginning) => {
                let ours = message(&mut ours.clone()).clone();
                if ours.as_str().is_some_and(|message| message.starts_with(beginning)) {
                    *message(&mut expected) = ours;
                }
            }
            Change::As(name) => expected = recording(name),
            Change::Edit(edit) => edit(&mut expected),
        }
        expected
    }
}

fn message(answer: &mut Answer) -> &mut Json {
    let element = match answer.body.as_mut().expect("an error has a body") {
        // Events begin with a greeting.
        Json::Array(elements) => {
            elements.iter_mut().find(|element| element["event"] != "connected").expect("an element")
        }
        element => element,
    };
    &mut element["error"]["message"]
}

fn without_the_cursor(answer: &mut Answer) {
    const ISSUE: &str = r#"  {
    "expected": "number",
    "code": "invalid_type",
    "path": [
      "cursor"
    ],
    "message": "Invalid input: expected number, received null"
  },
"#;
    let message = message(answer);
    *message = json!(message.as_str().expect("a message is text").replace(ISSUE, ""));
    let body = answer.body.as_mut().expect("an error has a body");
    if let Some(fields) = body.pointer_mut("/error/data/zodError/fieldErrors") {
        fields.as_object_mut().expect("by field").remove("cursor");
    }
}

/// Numbers the events, and drops those that make a client remember the last id.
fn tracked(answer: &mut Answer) {
    let events = answer.body.as_mut().and_then(Json::as_array_mut).expect("events");
    events.retain(|event| event["event"] != "restore-id");
    let values = events.iter_mut().filter(|event| event["event"] == "message");
    for (index, event) in values.enumerate() {
        event["id"] = json!((index + 1).to_string());
    }
}

fn plain_error(answer: &mut Answer, received: &str) {
    let issue = format!(
        r#"[
  {{
    "expected": "object",
    "code": "invalid_type",
    "path": [],
    "message": "Invalid input: expected object, received {received}"
  }}
]"#
    );
    *message(answer) = json!(issue);
    let body = answer.body.as_mut().expect("an error has a body");
    body["error"] = json!({"$plain": body["error"].take()});
}
