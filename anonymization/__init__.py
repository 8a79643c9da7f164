"""Noren's library: from user-information logs to statistics that give nobody away."""
