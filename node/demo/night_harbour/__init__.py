"""Tell Night Harbour: one fraud from its first weak signals to what is learned from it.

    result = tell(Path("/tmp/story"), audience)     # nine real nodes and the police key
    result.passed

``cast`` says who takes part and what was planted, ``scene`` is what every act works with, ``acts``
puts them in order. Everything is synthetic: numbers under +999, which no country has, names under
.example, places in open sea. Source: DOMAIN §9.
"""
