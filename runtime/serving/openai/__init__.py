"""Routes in the shape of OpenAI's: completions, chats, embeddings, streams.

Programs that were written for those need another address alone.
"""
