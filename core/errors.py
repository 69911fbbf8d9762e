"""What can go wrong in a room, in words a reader can be shown. The doors give them a status and a page."""

from collections.abc import Mapping


def _(message: str) -> str:
    """Mark a message for the catalogues; the door translates it into the reader's language."""
    return message


class DomainError(Exception):
    """Something a reader, an editor or an operator can be told: a message id and its values."""

    message = _("Something went wrong. Please try again.")

    def __init__(self, message: str | None = None, **values: object) -> None:
        self.message = message if message is not None else type(self).message
        self.values: Mapping[str, object] = values
        super().__init__(self.message % values if values else self.message)


class Invalid(DomainError):
    """A value that cannot be taken; `field` names the form field it came in."""

    def __init__(self, field: str, message: str, **values: object) -> None:
        self.field = field
        super().__init__(message, **values)


class NotFound(DomainError):
    """Nothing is at this address."""

    message = _("There is nothing at this address. It may have been mistyped.")


class Withdrawn(DomainError):
    """A story that was taken back. `reason` is what the editors say of it, in the story's language."""

    message = _("The editors have withdrawn this story.")

    def __init__(self, reason: str, language: str) -> None:
        self.reason, self.language = reason, language
        super().__init__()


class LinkDamaged(DomainError):
    """A token that we did not make, or that was cut or changed on its way."""

    message = _("This link is damaged. It may have been cut in two by a mail program.")


class LinkExpired(DomainError):
    """A token that was good once; a fresh one is a form away."""

    message = _("This link is too old to be used.")


class Conflict(DomainError):
    """What the reader looked at has changed meanwhile."""

    message = _("Your choices were changed elsewhere meanwhile. Look at them as they are now, then save again.")


class SettingsError(Exception):
    """A setting that is missing or wrong. Its text names the setting and the cure; for operators, in English."""


class UnfitStart(Exception):
    """The service must not start like this. Its text names the cure; for operators, in English."""
