//! From the settings to trackers with their credentials, and what the process must reach for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::Uri;
use contract::{Needs, Place, Secret, StartError};

use crate::http::{Http, address, basic, port, sensitive};
use crate::settings::{Kind, Settings, TrackerSettings};
use crate::tracker::Tracker;
use crate::tracker::github::{Credential, GitHub};
use crate::tracker::gitlab::GitLab;
use crate::tracker::jira::Jira;
use crate::tracker::local::Local;
use crate::tracker::rt::Rt;

/// The tracker that is always there.
pub(crate) const LOCAL: &str = "local";
/// How long one request may take, in seconds, unless the settings say otherwise.
const SECONDS: u32 = 15;

impl TrackerSettings {
    fn url(&self) -> Result<Uri, StartError> {
        match (&self.url, self.kind) {
            (Some(url), _) => address(url),
            (None, Kind::GitHub) => address("https://api.github.com"),
            (None, _) => Err(StartError::new("url: say where it is")),
        }
    }

    fn token(&self, place: &Place) -> Result<Secret, StartError> {
        match &self.token {
            Some(token) => place.secret(token),
            None => Err(StartError::new(
                "token: name where it is, such as { file = \"/run/secrets/tracker\" }",
            )),
        }
    }

    fn user(&self) -> Result<&str, StartError> {
        self.user.as_deref().ok_or_else(|| StartError::new("user: name the account of the token"))
    }

    /// The tracker; `at` are the projects it is used for.
    fn open(&self, place: &Place, at: &[String]) -> Result<Arc<dyn Tracker>, StartError> {
        let url = self.url()?;
        let host = url.authority().map(ToString::to_string).unwrap_or_default();
        let ca = self.ca.as_ref().map(|ca| place.path(ca));
        let patience = Duration::from_secs(u64::from(self.seconds.unwrap_or(SECONDS)));
        let accept = self.accept.clone();
        let http = |authorization| Http::new(&url, authorization, ca.as_deref(), patience);
        if self.app.is_some() && self.kind != Kind::GitHub {
            return Err(StartError::new("app: only GitHub has Apps"));
        }
        Ok(match self.kind {
            Kind::GitHub => {
                let bad =
                    at.iter().find(|at| at.split('/').filter(|part| !part.is_empty()).count() != 2);
                if let Some(bad) = bad {
                    let why = format!("a project of it is `owner/repository`, not `{bad}`");
                    return Err(StartError::new(why));
                }
                let credential = match (&self.app, &self.token) {
                    (Some(_), Some(_)) => {
                        return Err(StartError::new("token, app: one of them, not both"));
                    }
                    (Some(app), None) => Credential::App(app, place.secret(&app.key)?),
                    (None, _) => Credential::Token(self.token(place)?),
                };
                Arc::new(GitHub::new(&url, credential, at, (ca.as_deref(), patience), accept)?)
            }
            Kind::GitLab => {
                let token = sensitive(&format!("Bearer {}", self.token(place)?.expose()))?;
                Arc::new(GitLab { http: http(token)?, host, accept })
            }
            Kind::Jira => {
                let token = basic(self.user()?, &self.token(place)?)?;
                Arc::new(Jira { http: http(token)?, host, accept })
            }
            Kind::Rt => {
                let secret = self.token(place)?;
                let token = match &self.user {
                    Some(user) => basic(user, &secret)?,
                    None => sensitive(&format!("token {}", secret.expose()))?,
                };
                Arc::new(Rt {
                    http: http(token)?,
                    host,
                    site: url.to_string(),
                    user: self.user.clone(),
                    accept,
                })
            }
        })
    }
}

/// All trackers by id, the local one among them.
pub(crate) fn trackers(
    settings: &Settings,
    place: &Place,
) -> Result<BTreeMap<String, Arc<dyn Tracker>>, StartError> {
    let local: Arc<dyn Tracker> = Arc::new(Local::new(place.state()));
    let mut trackers = BTreeMap::from([(LOCAL.to_owned(), local)]);
    for (id, one) in &settings.trackers {
        let fault =
            |error: StartError| StartError::new(format!("servers.tickets.trackers.{id}: {error}"));
        if id == LOCAL {
            return Err(fault(StartError::new("this name is taken: tickets kept on this machine")));
        }
        let is_its = |project: &&crate::ProjectSettings| project.tracker.as_deref() == Some(id);
        let has_labels =
            settings.projects.values().filter(is_its).any(|one| !one.labels.is_empty());
        if one.kind == Kind::Rt && has_labels {
            let why = "Request Tracker has no labels; take `labels` from its projects, and declare a field";
            return Err(fault(StartError::new(why)));
        }
        let mut labels = settings.projects.values().filter(is_its).flat_map(|one| &one.labels);
        if let Some(label) = labels.find(|label| one.kind == Kind::GitLab && label.contains(',')) {
            let why =
                format!("GitLab would take the label `{label}` for two; name one without a comma");
            return Err(fault(StartError::new(why)));
        }
        let at: Vec<String> = settings
            .projects
            .iter()
            .filter(|(_, project)| project.tracker.as_deref() == Some(id))
            .map(|(name, project)| project.at.clone().unwrap_or_else(|| name.clone()))
            .collect();
        trackers.insert(id.clone(), one.open(place, &at).map_err(fault)?);
    }
    Ok(trackers)
}

/// The ports of the trackers, and the files of their authorities.
pub(crate) fn needs(settings: &Settings, place: &Place) -> Needs {
    let mut needs = Needs::default();
    for tracker in settings.trackers.values() {
        // A wrong address is told of when the server is opened.
        needs.connect.extend(tracker.url().ok().as_ref().map(port));
        needs.read.extend(tracker.ca.iter().map(|ca| place.path(ca)));
    }
    needs.connect.sort_unstable();
    needs.connect.dedup();
    needs
}
