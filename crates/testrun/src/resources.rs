//! What a run left, as resources: `testrun://{run}/{of}`. Reading one is calling `test_log`.

use contract::{Resource, ResourceCall, Template};
use serde_json::{Map, Value};

use crate::tools::log::{CONTRACT, Of};
use crate::{Testrun, named, wire};

/// The address of everything a run left.
const TEMPLATE: &str = "testrun://{run}/{of}";
/// Of how many runs of a suite it is listed.
const RUNS: u32 = 3;
/// How many suites are listed.
const SUITES: usize = 20;
/// As many lines as fit.
const ALL_LINES: u32 = 5_000;

/// The template of all of them.
pub(crate) fn template() -> Template {
    Template {
        uri: TEMPLATE,
        name: "run",
        description: "Of a run: log, stderr, junit or ctrf.",
        mime: "text/plain",
        tool: CONTRACT.name,
    }
}

/// The call that reads one.
pub(crate) fn call(uri: &str) -> Option<ResourceCall> {
    let (run, of) = uri.strip_prefix("testrun://")?.split_once('/')?;
    let of = Of::ALL.into_iter().find(|one| one.name() == of)?;
    if !wire::is_run(run) {
        return None;
    }
    let mut args = Map::new();
    args.insert("run".to_owned(), Value::from(run));
    args.insert("of".to_owned(), Value::from(of.name()));
    args.insert("lines".to_owned(), Value::from(ALL_LINES));
    Some(ResourceCall { tool: CONTRACT.name, args, mime: of.mime() })
}

/// The last runs of each suite.
pub(crate) async fn listed(server: &Testrun) -> Vec<Resource> {
    let mut all = Vec::new();
    for suite in server.suites.values().take(SUITES) {
        for run in server.runs.last(&suite.id, RUNS).await.unwrap_or_default() {
            let folder = server.runs.folder(&run.id);
            for of in Of::ALL {
                let Ok(data) = folder.join(of.file()).metadata() else { continue };
                if data.len() == 0 {
                    continue;
                }
                all.push(Resource {
                    uri: format!("testrun://{}/{}", run.id, of.name()),
                    name: format!("{} {}", run.id, of.name()),
                    mime: of.mime(),
                    size: Some(data.len()),
                    target: named(&suite.id),
                    tool: CONTRACT.name,
                });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_call_and_no_path() {
        let found = call("testrun://web-0a1b2c3d/junit").expect("a call");
        assert_eq!((found.mime, &found.args["of"]), ("application/xml", &Value::from("junit")));
        for bad in [
            "testrun://web-0a1b2c3d/x",
            "testrun://../log",
            "testrun://a/../b-00000000/log",
            "x://web-0a1b2c3d/log",
        ] {
            assert!(call(bad).is_none(), "{bad}");
        }
    }
}
