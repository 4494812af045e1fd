"""The receiver: a process of its own that takes in what sites say of themselves, and writes it to their status.

caller   who reports, by address and token             refusal      why a report is not taken
memory   what was taken of each site, within bounds    judge        pure: is it new, and is it news?
desk     from a genuine report to a status             site_report  pure: what of a report is shown
server   HTTPS, within bounds of bytes and seconds     connections  none lasts for ever
"""
