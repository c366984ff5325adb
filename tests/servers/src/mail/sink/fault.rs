//! What can go wrong on the way to a mail server and back.

/// One way in which a transaction fails, or seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is silent until [`release`](super::Sink::release).
    SlowBanner,
    /// MAIL arrives; the connection is closed without an answer.
    CutBeforeMail,
    /// MAIL is answered after [`release`](super::Sink::release).
    HoldBeforeMail,
    /// MAIL is accepted, then the connection is closed.
    CutAfterMail,
    /// No recipient is taken for now (451).
    Greylist,
    /// The first recipient is accepted, then the connection is closed.
    CutAfterRcpt,
    /// DATA is answered after [`release`](super::Sink::release).
    HoldBeforeData,
    /// DATA is answered by 354, then the connection is closed.
    CutAtData,
    /// The connection is closed when this many bytes of the message have arrived, and at its last
    /// byte if there are fewer. The message is not taken.
    CutInData(usize),
    /// The whole message arrives and is refused by this code.
    RejectData(u16),
    /// The message is taken; the connection is closed without an answer.
    CutAfterData,
    /// The message is taken; that is answered after [`release`](super::Sink::release).
    HoldAfterData,
}
