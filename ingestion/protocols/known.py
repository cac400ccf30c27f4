"""The protocols that the door speaks. From this list follow routes, preflights and OpenAPI."""

from ingestion.protocols.pixel import PIXEL
from ingestion.protocols.posted import POST_EVENT, POST_EVENTS

PROTOCOLS = (POST_EVENT, POST_EVENTS, PIXEL)
