//! Copies of checkpoints, to places of the operator's choice: what was copied cannot be changed
//! by whoever can change the log.

use std::collections::VecDeque;
use std::fmt;

/// How many notes wait for a place that cannot take them; the oldest give way.
const BACKLOG: usize = 64;

/// A place to which checkpoints are copied.
pub trait Destination: fmt::Display + fmt::Debug + Send {
    /// Copies a note. Must not block for long: records wait for the disk behind it.
    fn keep(&mut self, note: &str) -> std::io::Result<()>;
}

/// The places, each with what it has not taken yet.
#[derive(Debug, Default)]
pub struct Copies(Vec<(Box<dyn Destination>, VecDeque<String>)>);

impl Copies {
    /// Places that have taken nothing yet.
    pub fn new(destinations: Vec<Box<dyn Destination>>) -> Self {
        Self(destinations.into_iter().map(|place| (place, VecDeque::new())).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies a note, and before it those that a place could not take. What fails is logged and
    /// tried again with the next one.
    pub fn keep(&mut self, note: &str) {
        for (_, waiting) in &mut self.0 {
            if waiting.len() == BACKLOG {
                waiting.pop_front();
            }
            waiting.push_back(note.to_owned());
        }
        self.try_again();
    }

    /// Copies what a place could not take before.
    pub fn try_again(&mut self) {
        for (place, waiting) in &mut self.0 {
            while let Some(note) = waiting.front() {
                if let Err(error) = place.keep(note) {
                    eprintln!(
                        "suite: a checkpoint could not be copied to {place}: {error}; it is tried again with the next one"
                    );
                    break;
                }
                waiting.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes notes while it is up.
    #[derive(Clone, Debug, Default)]
    struct Place(Arc<Mutex<(bool, Vec<String>)>>);

    impl fmt::Display for Place {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a test")
        }
    }

    impl Destination for Place {
        fn keep(&mut self, note: &str) -> std::io::Result<()> {
            let mut place = self.0.lock().expect("not poisoned");
            if !place.0 {
                return Err(std::io::Error::other("down"));
            }
            place.1.push(note.to_owned());
            Ok(())
        }
    }

    #[test]
    fn what_fails_is_tried_again_with_the_next_one() {
        let place = Place::default();
        let mut copies = Copies::new(vec![Box::new(place.clone())]);
        for number in 0..BACKLOG + 2 {
            copies.keep(&number.to_string());
        }
        place.0.lock().expect("not poisoned").0 = true;
        copies.keep("last");
        let kept = &place.0.lock().expect("not poisoned").1;
        assert_eq!((kept.len(), kept[0].as_str()), (BACKLOG, "3"));
        assert_eq!(kept[BACKLOG - 1], "last");
    }
}
