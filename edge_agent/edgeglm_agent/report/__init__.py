"""The site's reports to the cloud: small, over HTTPS, the newest for all before it.

make      pure: from the status to a report        sender    one report over TLS
reporter  when: at intervals, and when told        outages   what is kept while nobody can be reached
"""
