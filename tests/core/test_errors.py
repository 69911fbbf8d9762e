"""Errors: each says its sentence, with its values, and names the field it is about."""

import pytest

from core import errors

KINDS = [errors.NotFound, errors.LinkDamaged, errors.LinkExpired, errors.Conflict]


@pytest.mark.parametrize("kind", [errors.DomainError, *KINDS])
def test_an_error_has_a_whole_sentence_of_its_own(kind):
    assert str(kind()) == kind().message == kind.message
    assert kind.message.endswith(".") and "%" not in kind.message and kind().values == {}


def test_each_kind_says_something_else():
    assert len({kind.message for kind in [errors.DomainError, *KINDS]}) == len(KINDS) + 1


@pytest.mark.parametrize("kind", [*KINDS, errors.DomainError])
def test_a_kind_can_be_told_from_the_others_and_all_are_domain_errors(kind):
    with pytest.raises(errors.DomainError) as caught:
        raise kind
    assert type(caught.value) is kind


def test_an_error_can_say_something_more_fitting_with_values():
    error = errors.NotFound("There is no %(what)s here.", what="story")
    assert str(error) == "There is no story here."
    assert error.message == "There is no %(what)s here.", "the door translates this, then fills in the values"
    assert error.values == {"what": "story"}


def test_a_message_without_values_is_taken_as_it_is():
    assert str(errors.Conflict("100% sure.")) == "100% sure."


def test_an_invalid_value_names_its_field():
    error = errors.Invalid("zone", "There is no %(zone)s.", zone="Mars/Olympus")
    assert (error.field, str(error)) == ("zone", "There is no Mars/Olympus.")


def test_what_operators_are_told_is_no_domain_error():
    assert not issubclass(errors.SettingsError, errors.DomainError)
    assert not issubclass(errors.UnfitStart, errors.DomainError)


def test_marking_a_message_for_translation_changes_nothing():
    assert errors._("A sentence.") == "A sentence."
