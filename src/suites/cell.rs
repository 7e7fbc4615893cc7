//! One cell of the comparison: a suite in a stack at a size and a state, and what came of it.
//!
//! Data alone, as it is kept. Called by everything here.

use serde::{Deserialize, Serialize};

use super::group::State;
use super::interval::Timing;
use super::registry::Entry;
use crate::mls::stack::StackKind;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The suite.
    pub entry: &'static Entry,
    /// Who runs it.
    pub stack: StackKind,
    /// Members of the group.
    pub members: u32,
    /// Its tree.
    pub state: State,
}

impl Cell {
    /// What its file is called by.
    #[must_use]
    pub fn key(&self) -> String {
        let stack = self.stack.name().replace('/', "-");
        let (members, state) = (self.members, self.state.name());
        format!("{}.{stack}.{members}.{state}", self.entry.name)
    }
}

/// Something that a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Makes keys and a KeyPackage.
    KeyPackage,
    /// Creates a group of one.
    CreateGroup,
    /// Prepares a commit that adds one member.
    AddOne,
    /// One that adds ten.
    AddTen,
    /// One that adds a hundred.
    AddHundred,
    /// One that only renews its path.
    Update,
    /// One that removes a member.
    Remove,
    /// Processes another's update commit.
    Process,
    /// Joins by a Welcome.
    Join,
    /// Joins by an external commit.
    ExternalJoin,
    /// Encrypts an application message.
    Encrypt,
    /// Decrypts one.
    Decrypt,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::KeyPackage,
        Self::CreateGroup,
        Self::AddOne,
        Self::AddTen,
        Self::AddHundred,
        Self::Update,
        Self::Remove,
        Self::Process,
        Self::Join,
        Self::ExternalJoin,
        Self::Encrypt,
        Self::Decrypt,
    ];

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyPackage => "make a KeyPackage",
            Self::CreateGroup => "create a group",
            Self::AddOne => "add one",
            Self::AddTen => "add ten",
            Self::AddHundred => "add a hundred",
            Self::Update => "update commit",
            Self::Remove => "remove one",
            Self::Process => "process a commit",
            Self::Join => "join by Welcome",
            Self::ExternalJoin => "external join",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }
}

/// Something that goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// A KeyPackage.
    KeyPackage,
    /// A commit that adds one.
    CommitAddOne,
    /// A commit that adds ten.
    CommitAddTen,
    /// A commit that adds a hundred.
    CommitAddHundred,
    /// The Welcome for one, without the tree.
    WelcomeOne,
    /// The Welcome for ten.
    WelcomeTen,
    /// The Welcome for a hundred.
    WelcomeHundred,
    /// An update commit.
    CommitUpdate,
    /// A commit that removes one.
    CommitRemove,
    /// An external commit.
    CommitExternal,
    /// A GroupInfo, without the tree.
    GroupInfo,
    /// The ratchet tree.
    Tree,
    /// An application message of 200 bytes of plaintext.
    Application,
}

impl Object {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::KeyPackage,
        Self::CommitAddOne,
        Self::CommitAddTen,
        Self::CommitAddHundred,
        Self::WelcomeOne,
        Self::WelcomeTen,
        Self::WelcomeHundred,
        Self::CommitUpdate,
        Self::CommitRemove,
        Self::CommitExternal,
        Self::GroupInfo,
        Self::Tree,
        Self::Application,
    ];

    /// In a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyPackage => "KeyPackage",
            Self::CommitAddOne => "commit, adds one",
            Self::CommitAddTen => "commit, adds ten",
            Self::CommitAddHundred => "commit, adds a hundred",
            Self::WelcomeOne => "Welcome for one",
            Self::WelcomeTen => "Welcome for ten",
            Self::WelcomeHundred => "Welcome for a hundred",
            Self::CommitUpdate => "update commit",
            Self::CommitRemove => "commit, removes one",
            Self::CommitExternal => "external commit",
            Self::GroupInfo => "GroupInfo",
            Self::Tree => "ratchet tree",
            Self::Application => "application message",
        }
    }
}

/// How long an operation took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// What was done.
    pub operation: Operation,
    /// How long, over its repetitions.
    #[serde(flatten)]
    pub timing: Timing,
}

/// How long an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sized {
    /// What it is.
    pub object: Object,
    /// Bytes of one that was made.
    pub bytes: usize,
    /// Bytes by the model; `null` in records from before it knew trees of any history.
    pub model_bytes: Option<usize>,
}

/// What came of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The suite.
    pub suite: String,
    /// The stack and its provider.
    pub stack: String,
    /// Members of the group.
    pub members: u32,
    /// Its tree.
    pub state: State,
    /// Why there are no figures, in the stack's own words; `null` if there are.
    pub error: Option<String>,
    /// Each operation once.
    pub times: Vec<Timed>,
    /// Each object once.
    pub sizes: Vec<Sized>,
    /// Resident memory of one more member in this group, in bytes: what the process grows by with each
    /// that joins, once all grow it alike. `null` below 500 members, where pages are too coarse, in
    /// settled trees, where nobody joins, and where it cannot be told from pages that were free.
    pub member_bytes: Option<u64>,
}

impl Outcome {
    /// One without figures.
    #[must_use]
    pub fn failed(cell: &Cell, error: String) -> Self {
        Self { error: Some(error), ..Self::of(cell) }
    }

    /// One without figures yet.
    #[must_use]
    pub fn of(cell: &Cell) -> Self {
        Self {
            suite: cell.entry.name.to_owned(),
            stack: cell.stack.name().to_owned(),
            members: cell.members,
            state: cell.state,
            error: None,
            times: Vec::new(),
            sizes: Vec::new(),
            member_bytes: None,
        }
    }

    /// Whether it is what came of that cell.
    #[must_use]
    pub fn is_of(&self, cell: &Cell) -> bool {
        (self.suite.as_str(), self.stack.as_str()) == (cell.entry.name, cell.stack.name())
            && (self.members, self.state) == (cell.members, cell.state)
    }

    /// How long an operation took.
    #[must_use]
    pub fn time(&self, operation: Operation) -> Option<&Timing> {
        self.times.iter().find(|it| it.operation == operation).map(|it| &it.timing)
    }

    /// How long an object is.
    #[must_use]
    pub fn size(&self, object: Object) -> Option<usize> {
        self.sizes.iter().find(|it| it.object == object).map(|it| it.bytes)
    }
}
