"""A server whose keys live for seconds: the settings, what follows from them, and a resource for each algorithm."""

from dataclasses import dataclass

CLIENT = "load"


@dataclass(frozen=True)
class Times:
    """The quantities of a key's life in seconds, named as in the configuration."""

    active_for: int = 20
    publish_ahead: int = 8
    jwks_max_age: int = 5
    propagation: int = 1
    clock_skew: int = 1
    leeway: int = 5
    lifetime: int = 5

    @property
    def retain_for(self):
        """The bound of `keys.retain_for`, which it has unless it is set."""
        return self.lifetime + max(self.propagation, self.clock_skew) + 2 * self.clock_skew + self.leeway

    @property
    def known_after(self):
        """How long after its publication every verifier knows a key; a rotation by hand waits for it."""
        return self.jwks_max_age + self.propagation + self.clock_skew

    @property
    def served_max_age(self):
        """The greatest `max-age` that the JWKS may carry."""
        return min(self.jwks_max_age, self.publish_ahead - self.propagation - self.clock_skew)

    def env(self, algorithms):
        """The settings as a server reads them."""
        named = ("active_for", "publish_ahead", "jwks_max_age", "propagation", "clock_skew", "leeway")
        return {f"MINTMARK_KEYS__{name.upper()}": f"{getattr(self, name)}s" for name in named} | {
            "MINTMARK_KEYS__ALGORITHMS": ",".join(algorithms),
            "MINTMARK_TOKENS__LIFETIME": f"{self.lifetime}s",
            "MINTMARK_TOKENS__MAX_LIFETIME": f"{self.lifetime}s",
        }


def scope(algorithm):
    """The scope whose tokens are signed by this algorithm."""
    return f"{algorithm.lower()}:read"


def register(server, algorithms):
    """A resource and a scope for each algorithm, one client of them all; gives the client's secret."""
    for algorithm in algorithms:
        resource = f"https://api.example/{algorithm.lower()}"
        server.admin("resource", "set", resource, "--alg", algorithm)
        server.admin("scope", "set", scope(algorithm), "--resource", resource,
                     "--limit", "1000000/1s", "--burst", "1000000")
    scopes = " ".join(scope(algorithm) for algorithm in algorithms)
    return server.admin("client", "create", CLIENT, "--scope", scopes)["client_secret"]
