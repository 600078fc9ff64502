"""Routes in the shape of OpenAI's: completions, chats, embeddings, streams; and rankings, in Jina's.

Programs that were written for those need another address alone.
"""
