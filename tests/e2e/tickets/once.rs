//! Exactly once: whatever is cut, killed or asked fifty times, one ticket or none, and the truth
//! about it.

use std::time::Duration;

use serde_json::json;
use servers::rt;
use servers::trackers::{Fault, GitHub, GitLab, Jira};
use tests::harness::acting::{at_once, killed_at, until_killed};

use super::{Far, World, call, draft, submission};

/// Every way in which an answer can be lost, or a refusal given.
fn faults() -> Vec<(Fault, Outcome)> {
    use Outcome::{Filed, Open, Refused};
    vec![
        (Fault::CutBefore, Open),
        (Fault::CutAfter, Filed),
        (Fault::Truncated, Filed),
        (Fault::Thin, Filed),
        (Fault::Bare, Filed),
        (Fault::Slow(Duration::from_millis(200)), Filed),
        (Fault::SlowBefore(Duration::from_millis(200)), Filed),
        (Fault::Status(403), Refused("denied: ")),
        (Fault::Status(404), Refused("not_found: ")),
        (Fault::Status(422), Refused("invalid: ")),
        (Fault::Status(500), Open),
        (Fault::Status(502), Open),
        (Fault::Limited { after: 7 }, Refused("limited: ")),
    ]
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is filed, and the answer says so: where the answer was lost, it was found again.
    Filed,
    /// It is not there, and the answer says that nobody knows.
    Open,
    /// Nothing was done, and the answer says why.
    Refused(&'static str),
}

fn on_fault(far: Far, post: &str, can_find: bool) {
    let world = World::new(far, "per_day = 1000\n");
    let mut session = world.start();
    for (nth, (fault, outcome)) in faults().into_iter().enumerate() {
        let title = format!("Round{nth} is lost");
        let name = draft(&mut session, &title, "x");
        world.fake().fault(post, fault, 1);
        let said = world.submit(&mut session, &name);
        let there = world.arrived(&title).len();
        let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
        match outcome {
            Outcome::Filed => {
                let may_lag = !can_find && said.starts_with("timeout: ");
                assert!(said.starts_with("filed: web#") || may_lag, "{fault:?}: {said}");
                assert_eq!(there, 1, "{fault:?}");
                assert!(told.starts_with("filed as approved"), "{fault:?}: {told}");
            }
            Outcome::Open => {
                assert!(said.starts_with("timeout: ") && said.contains("ticket_verify"), "{said}");
                assert_eq!(there, 0, "{fault:?}");
                assert!(told.starts_with("not known yet"), "{fault:?}: {told}");
            }
            Outcome::Refused(kind) => {
                assert!(said.starts_with(kind), "{fault:?}: {said}");
                assert_eq!(there, 0, "{fault:?}");
                assert!(told.starts_with("not filed"), "{fault:?}: {told}");
            }
        }
        // Asked again, with the same yes or with a new one: not a second time.
        let again = call(&mut session, "ticket_submit", &submission(&name));
        let anew = json!({"draft": name, "reason": "trying the same once more"});
        let asked = call(&mut session, "ticket_submit", &anew);
        world.approve(&asked);
        let anew = call(&mut session, "ticket_submit", &anew);
        let there = world.arrived(&title).len();
        match outcome {
            Outcome::Filed => {
                assert_eq!(there, 1, "{fault:?}: {again} / {anew}");
                assert!(anew.starts_with("filed before, not again"), "{fault:?}: {anew}");
            }
            Outcome::Open => {
                assert_eq!(there, 0, "{fault:?}: {again} / {anew}");
                assert!(anew.contains("not sent again"), "{fault:?}: {anew}");
            }
            // It was certain that nothing was done: a new yes files it.
            Outcome::Refused(_) => {
                assert!(again.starts_with("approval_needed"), "{fault:?}: {again}");
                assert_eq!(there, 1, "{fault:?}: {anew}");
            }
        }
    }
    let limited = world.folder.calls("tickets").iter().any(|call| call["outcome"] == "limited");
    assert!(limited, "a limit of the tracker is recorded as one");
}

#[test]
fn github_may_fail_in_every_way() {
    on_fault(Far::GitHub(GitHub::start()), "POST /repos/{owner}/{repo}/issues", true);
}

#[test]
fn gitlab_may_fail_in_every_way() {
    on_fault(Far::GitLab(GitLab::start()), "POST /projects/{id}/issues", true);
}

#[test]
fn jira_may_fail_in_every_way() {
    on_fault(Far::Jira(Jira::start()), "POST /rest/api/3/issue", true);
}

#[test]
fn what_a_limit_says_is_passed_on() {
    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "Limited", "x");
    world.fake().fault("POST *", Fault::LimitedForbidden { after: 42 }, 1);
    let said = world.submit(&mut session, &name);
    assert!(said.starts_with("limited: ") && said.ends_with("Retry after 42 s."), "{said}");
    assert!(world.arrived("Limited").is_empty());
}

#[test]
fn jira_files_once_though_its_search_lags() {
    let world = World::new(Far::Jira(Jira::start()), "");
    let mut session = world.start();
    world.fake().index_lag(true);
    let name = draft(&mut session, "Lagging", "x");
    world.fake().fault("POST /rest/api/3/issue", Fault::CutAfter, 1);
    let said = world.submit(&mut session, &name);
    assert!(said.starts_with("timeout: "), "{said}");
    let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
    assert!(told.starts_with("not known yet"), "{told}");
    world.fake().index_lag(false);
    let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
    assert!(told.starts_with("filed as approved"), "{told}");
    assert_eq!(world.arrived("Lagging").len(), 1);
}

#[test]
fn a_comment_whose_answer_is_lost_is_found_again() {
    for far in
        [Far::GitHub(GitHub::start()), Far::GitLab(GitLab::start()), Far::Jira(Jira::start())]
    {
        let world = World::new(far, "");
        let mut session = world.start();
        let ticket = world.fake().seed("Seeded", "there before", &[]);
        for fault in [Fault::CutAfter, Fault::Truncated, Fault::Bare] {
            let args = json!({
                "ticket": format!("web#{ticket}"), "body": format!("{fault:?} is lost"),
                "reason": "because the test says so"
            });
            let name = super::drafted(&call(&mut session, "ticket_comment_draft", &args));
            let asked = call(&mut session, "ticket_comment_submit", &submission(&name));
            world.approve(&asked);
            world.fake().fault("POST *", fault, 1);
            let said = call(&mut session, "ticket_comment_submit", &submission(&name));
            assert!(said.starts_with("filed: web#"), "{fault:?}: {said}");
            let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
            assert!(told.starts_with("filed as approved"), "{fault:?}: {told}");
        }
        assert_eq!(world.arrived("Seeded")[0].comments.len(), 3);
    }
}

#[test]
fn fifty_calls_at_a_time_file_one_ticket() {
    for far in [Far::Local, Far::GitHub(GitHub::start()), Far::Rt(rt::shared())] {
        let world = World::new(far, "");
        let mut session = world.start();
        let name = draft(&mut session, "Fifty calls", "x");
        let asked = call(&mut session, "ticket_submit", &submission(&name));
        world.approve(&asked);
        // Of two processes, as two hosts on one machine would be.
        let mut other = world.start();
        let sessions = [&mut session, &mut other];
        let said = at_once(sessions, "ticket_submit", &submission(&name), 25);
        let is_first =
            |said: &&String| said.starts_with("filed: ") && !said.contains("not done again");
        assert_eq!(said.iter().filter(is_first).count(), 1, "one call is the one");
        assert_eq!(world.arrived("Fifty calls").len(), 1);
    }
}

/// `kill -9` at every step: each time the server makes something durable, and each time it sends.
fn killed_everywhere(make: impl Fn() -> Far, calls: &str) -> usize {
    let world = World::new(make(), "per_day = 1000\n");
    let mut survived = false;
    let mut nth = 1;
    while !survived {
        let title = format!("Killed{nth}x");
        let name = {
            let mut session = world.start();
            let name = draft(&mut session, &title, "x");
            let asked = call(&mut session, "ticket_submit", &submission(&name));
            world.approve(&asked);
            name
        };
        let mut dying = killed_at("tickets", &world.folder.config(), calls, nth);
        let said = until_killed(&mut dying, "ticket_submit", &submission(&name));
        survived = said.is_some();
        drop(dying);
        if matches!(world.far, Far::GitHub(_)) {
            world.fake().settle();
        }
        let there = world.arrived(&title).len();
        assert!(there <= 1, "{nth}: {there}");
        // Whoever comes next hears the truth, and never makes a second one.
        let mut session = world.start();
        let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
        if there == 1 {
            assert!(told.starts_with("filed as approved"), "{nth}: {told}");
        } else {
            assert!(!told.starts_with("filed"), "{nth}: {told}");
        }
        let again = call(&mut session, "ticket_submit", &submission(&name));
        let there_now = world.arrived(&title).len();
        if there == 1 {
            assert_eq!(there_now, 1, "{nth}: {again}");
        } else {
            assert!(there_now <= 1, "{nth}: {again}");
            let is_told = again.starts_with("filed: ") || there_now == 0;
            assert!(is_told, "{nth}: {again}");
        }
        nth += 1;
        assert!(nth < 60, "the server always dies");
    }
    nth - 1
}

#[test]
fn killed_at_every_durable_step_on_this_machine() {
    let steps = killed_everywhere(|| Far::Local, "fdatasync,fsync");
    assert!(steps > 4, "there are more steps than {steps}");
}

#[test]
fn killed_at_every_durable_step_on_github() {
    let steps = killed_everywhere(|| Far::GitHub(GitHub::start()), "fdatasync,fsync");
    assert!(steps > 4, "there are more steps than {steps}");
}

#[test]
fn killed_as_it_sends_and_as_it_is_answered() {
    for (fault, there) in [(Fault::HoldBefore, 0), (Fault::Hold, 1)] {
        let world = World::github();
        let mut session = world.start();
        let name = draft(&mut session, "Held back", "x");
        let asked = call(&mut session, "ticket_submit", &submission(&name));
        world.approve(&asked);
        world.fake().fault("POST *", fault, 1);
        let params = json!({"name": "ticket_submit", "arguments": submission(&name)});
        session.post_modern("tools/call", params);
        world.fake().await_held();
        session.signal("KILL");
        drop(session);
        assert_eq!(world.arrived("Held back").len(), there, "{fault:?}");
        let mut session = world.start();
        let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
        let expected = if there == 1 { "filed as approved" } else { "not known yet" };
        assert!(told.starts_with(expected), "{fault:?}: {told}");
        let again = call(&mut session, "ticket_submit", &submission(&name));
        assert!(again.contains("not done again"), "{fault:?}: {again}");
        // What was on its way arrives after all.
        world.fake().release();
        world.fake().settle();
        let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
        assert!(told.starts_with("filed as approved"), "{fault:?}: {told}");
        assert_eq!(world.arrived("Held back").len(), 1, "{fault:?}");
    }
}

#[test]
fn a_tracker_that_cannot_be_reached_has_got_nothing() {
    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "Unreachable", "x");
    let config = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    drop(session);
    // Nobody listens there any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let far = world.fake().url().to_owned();
    let nobody = format!("http://127.0.0.1:{port}");
    world.folder.write("servers.toml", &config.replace(&far, &nobody));
    let mut session = world.start();
    let said = world.submit(&mut session, &name);
    assert!(said.starts_with("unavailable: ") && said.contains("nothing was sent"), "{said}");
    let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
    assert!(told.starts_with("not filed"), "{told}");
}
