"""The tables. All of them are imported here, so that the metadata is complete."""

from models.api_keys import ApiKey
from models.audit import AuditEntry
from models.base import Base
from models.broadcasts import Broadcast
from models.broker_marker import BrokerMarker
from models.browser_sessions import BrowserSession, SignInLink
from models.conversations import Conversation, Message
from models.counters import Counter
from models.deleted_users import DeletedUser
from models.idempotency import IdempotencyKey
from models.incoming_events import IncomingEvent
from models.issuer_keys import IssuerKeySet
from models.job_minutes import JobMinute
from models.job_totals import JobTotal
from models.jobs import Job
from models.limits import UserLimit
from models.open_calls import OpenCall
from models.prices import ModelPrice
from models.spend_months import SpendMonth
from models.usage import UsageDay, UsageProgress
from models.users import User
from models.webhook_deliveries import WebhookDelivery
from models.webhooks import Webhook

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Base",
    "Broadcast",
    "BrokerMarker",
    "BrowserSession",
    "Conversation",
    "Counter",
    "DeletedUser",
    "IdempotencyKey",
    "IncomingEvent",
    "IssuerKeySet",
    "Job",
    "JobMinute",
    "JobTotal",
    "Message",
    "ModelPrice",
    "OpenCall",
    "SignInLink",
    "SpendMonth",
    "UsageDay",
    "UsageProgress",
    "User",
    "UserLimit",
    "Webhook",
    "WebhookDelivery",
]
