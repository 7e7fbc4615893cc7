//! Which of the sixteen checks an error of OpenMLS stands for.
//!
//! Whatever this crate checks itself beforehand never gets here. Called by `observer`.

use openmls::prelude::{
    ApplyUpdatePathError, CreationFromExternalError, ProposalValidationError,
    PublicProcessMessageError, StageCommitError, ValidationError,
};

use crate::delivery::Check;

/// Why a message was refused.
pub(super) fn of_message(error: &PublicProcessMessageError) -> Check {
    use PublicProcessMessageError as Error;
    match error {
        Error::ValidationError(error) => of_framing(error),
        Error::InvalidCommit(error) => of_commit(error),
        Error::UnauthorizedExternalApplicationMessage
        | Error::UnauthorizedExternalCommitMessage
        | Error::UnsupportedProposalType => Check::SenderContent,
        Error::LibraryError(_) | Error::IncompatibleWireFormat => Check::WireFormat,
    }
}

fn of_framing(error: &ValidationError) -> Check {
    use ValidationError as Error;
    match error {
        Error::WrongGroupId => Check::Frozen,
        Error::WrongEpoch | Error::NoPastEpochData => Check::Epoch,
        Error::NotACommit
        | Error::NotAnExternalAddProposal
        | Error::NonMemberApplicationMessage
        | Error::InvalidSenderType => Check::SenderContent,
        Error::UnknownMember
        | Error::UnauthorizedExternalSender
        | Error::NoExternalSendersExtension => Check::SenderLeaf,
        Error::InvalidSignature => Check::Signature,
        Error::CommitterIncludedOwnUpdate => Check::ProposalList,
        Error::NoPath | Error::ExternalCommitValidation(_) => Check::ExternalCommit,
        Error::KeyPackageVerifyError(_)
        | Error::UpdatePathError(_)
        | Error::InvalidLeafNodeSignature
        | Error::InvalidLeafNodeSourceType
        | Error::InvalidAddProposalCiphersuite => Check::LeafNode,
        Error::InvalidExtension(_) => Check::ProposalList,
        Error::LibraryError(_)
        | Error::UnencryptedApplicationMessage
        | Error::MissingMembershipTag
        | Error::InvalidMembershipTag
        | Error::MissingConfirmationTag
        | Error::WrongWireFormat
        | Error::UnableToDecrypt(_) => Check::WireFormat,
    }
}

fn of_commit(error: &StageCommitError) -> Check {
    use StageCommitError as Error;
    match error {
        Error::EpochMismatch => Check::Epoch,
        Error::SenderTypeExternal | Error::SenderTypeNewMemberProposal => Check::SenderContent,
        Error::MissingProposal => Check::UnknownProposal,
        Error::ProposalValidationError(error) => of_list(error),
        Error::AttemptedSelfRemoval
        | Error::DuplicatePskId(_)
        | Error::PskError(_)
        | Error::TooManyNewMembers
        | Error::GroupContextExtensionsProposalValidationError(_) => Check::ProposalList,
        Error::ExternalCommitValidation(_) | Error::InconsistentSenderIndex => {
            Check::ExternalCommit
        }
        Error::RequiredPathNotFound => Check::PathMissing,
        Error::UpdatePathError(error) => of_path(error),
        Error::LeafNodeValidation(_)
        | Error::PathLeafNodeVerificationFailure
        | Error::VerifiedUpdatePathError(_) => Check::LeafNode,
        Error::LibraryError(_)
        | Error::WrongPlaintextContentType
        | Error::ConfirmationTagMissing
        | Error::ConfirmationTagMismatch
        | Error::OwnCommitMismatch
        | Error::OwnKeyNotFound
        | Error::MissingDecryptionKey => Check::WireFormat,
    }
}

fn of_list(error: &ProposalValidationError) -> Check {
    use ProposalValidationError as Error;
    match error {
        Error::DuplicateSignatureKey
        | Error::DuplicateEncryptionKey
        | Error::DuplicateInitKey
        | Error::InitEncryptionKeyCollision
        | Error::InsufficientCapabilities
        | Error::InvalidAddProposalCiphersuiteOrVersion
        | Error::LeafNodeValidation(_) => Check::LeafNode,
        Error::LibraryError(_) => Check::WireFormat,
        Error::UnknownMember
        | Error::DuplicateMemberRemoval
        | Error::UnknownMemberRemoval
        | Error::UpdateFromNonMember
        | Error::CommitterIncludedOwnUpdate
        | Error::Psk(_)
        | Error::UnsupportedProposalType
        | Error::ExternalInitProposalInRegularCommit => Check::ProposalList,
    }
}

fn of_path(error: &ApplyUpdatePathError) -> Check {
    use ApplyUpdatePathError as Error;
    match error {
        Error::PathLengthMismatch | Error::MissingCiphertext | Error::UnableToDecrypt => {
            Check::PathShape
        }
        Error::PathMismatch
        | Error::ParentHashMismatch
        | Error::MissingParentHash
        | Error::TreeFull => Check::Tree,
        Error::InconsistentSenderIndex => Check::ExternalCommit,
        Error::MissingSender | Error::MissingOwnLeaf => Check::SenderLeaf,
        Error::LibraryError(_) => Check::WireFormat,
    }
}

/// Why a group cannot be tracked from its GroupInfo and tree.
pub(super) fn of_founding<E>(error: &CreationFromExternalError<E>) -> Check {
    use CreationFromExternalError as Error;
    match error {
        Error::LeafNodeValidation(_)
        | Error::DuplicateEncryptionKey
        | Error::DuplicateSignatureKey => Check::LeafNode,
        Error::TreeSyncError(_)
        | Error::UnmergedLeafNotADescendant
        | Error::IntermediateNodeMissingUnmergedLeaf => Check::Tree,
        Error::UnknownSender
        | Error::InvalidGroupInfoSignature
        | Error::TreeHashMismatch
        | Error::UnsupportedMlsVersion
        | Error::UnsupportedCiphersuite(_)
        | Error::LibraryError(_)
        | Error::WriteToStorageError(_) => Check::GroupInfo,
    }
}
