"""Door one: the pages. Parse, call one domain function, commit, nudge, render; one blueprint a noun."""

from flask import Flask

from web import (
    address,
    articles,
    bodies,
    errors,
    headers,
    health,
    metrics,
    pages,
    preferences,
    sharing,
    signup,
    undo,
    unsubscribe,
    webhooks,
    words,
)


def register(app: Flask) -> None:
    """Put all pages, their words and their headers into the application."""
    # A doubled slash would be answered with a redirect to whatever host was asked for; it is simply not found.
    app.url_map.merge_slashes = False
    pages.register(app)
    words.register(app)
    bodies.register(app)
    headers.register(app)
    errors.register(app)
    for blueprint in (
        health.health,
        metrics.metrics,
        articles.articles,
        sharing.sharing,
        signup.signup,
        preferences.preferences,
        unsubscribe.unsubscribe,
        undo.undo,
        address.address,
        webhooks.webhooks,
    ):
        app.register_blueprint(blueprint)
