"""Door one: the pages. Parse, call one domain function, commit, nudge, render; one blueprint a noun."""

from flask import Flask

from web import (
    address,
    archive,
    articles,
    bodies,
    choices,
    clicks,
    editions,
    errors,
    headers,
    health,
    hooks,
    hubs,
    machines,
    metrics,
    never,
    pagecache,
    pages,
    pictures,
    preferences,
    search,
    sharing,
    sharing_links,
    signup,
    subscribing,
    undo,
    unsubscribe,
    webhooks,
    why,
    words,
)


def register(app: Flask) -> None:
    """Put all pages, their words and their headers into the application."""
    # A doubled slash would be answered with a redirect to whatever host was asked for; it is simply not found.
    app.url_map.merge_slashes = False
    pages.register(app)
    pagecache.register(app)
    words.register(app)
    bodies.register(app)
    pictures.register(app)
    headers.register(app)
    errors.register(app)
    for blueprint in (
        health.health,
        metrics.metrics,
        articles.articles,
        archive.archive,
        clicks.clicks,
        editions.editions,
        machines.machines,
        pictures.pictures,
        search.search,
        sharing.sharing,
        sharing_links.sharing_links,
        never.never,
        subscribing.subscribing,
        signup.signup,
        preferences.preferences,
        choices.choices,
        unsubscribe.unsubscribe,
        undo.undo,
        address.address,
        webhooks.webhooks,
        hooks.hooks,
        hubs.hubs,
        why.why,
    ):
        app.register_blueprint(blueprint)
