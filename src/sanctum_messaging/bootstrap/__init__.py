"""The composition root: the only place that knows which adapter stands behind which port."""

from sanctum_messaging.bootstrap.identity import development_issuer, token_verifier
from sanctum_messaging.bootstrap.service import Service, open_service
from sanctum_messaging.bootstrap.storage import migrate

__all__ = ["Service", "development_issuer", "migrate", "open_service", "token_verifier"]
